"""Freezes: days on which the rules allow no write, for VMs and for whole vaults."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.model.timegrid import resolve_zone
from optimizer.rollout.calendar.spans import Span, span_at, to_datetime, to_seconds, union, within, without

_FIRST, _LAST = date(1971, 1, 1), date(9998, 12, 31)


@dataclass(frozen=True, slots=True)
class _Freeze:
    """Rules that freeze a VM, and the zone of their dates."""

    timezone: str
    rules: tuple[int, ...]


class Freezes:
    """Frozen days of VMs and vaults.

    A write is frozen on the frozen days of any of its VMs. A write without VMs is frozen only while every VM of its
    vault is.

    Parameters
    ----------
    inventory
        VMs with their policies, in whose time zones the frozen days are.
    rules
        Rules with their freezes.
    """

    def __init__(self, inventory: Inventory, rules: Rules) -> None:
        self._inventory, self._rules = inventory, rules
        self._of_row = _freezes(inventory, rules)
        self._frozen: dict[_Freeze, list[Span]] = {}
        self._frozen_vaults: dict[ArmId, list[Span]] = {}

    def key(self, rows: Sequence[int]) -> Hashable:
        """Key of the freezes of some items: items with equal keys are frozen at the same times."""
        return frozenset(self._of_row[row] for row in rows)

    def thawed(self, spans: Sequence[Span], vault_id: ArmId, rows: Sequence[int]) -> list[Span]:
        """The parts of some spans in which a write to some items of a vault is not frozen."""
        left = list(spans)
        for frozen in self._periods(vault_id, rows):
            left = without(left, frozen)
        return left

    def ends(self, vault_id: ArmId, rows: Sequence[int], second: int) -> datetime | None:
        """End of the freeze that is in force at a second; None if there is no freeze."""
        for frozen in self._periods(vault_id, rows):
            if span := span_at(frozen, second):
                return to_datetime(span[1])
        return None

    def rules_of(self, rows: Sequence[int]) -> list[str]:
        """Names of the rules that freeze some items; without items, of all rules that freeze."""
        if not rows:
            return [rule.name for rule in self._rules.rule if rule.freeze]
        return list(dict.fromkeys(self._rules.rule[n].name for row in rows for n in self._of_row[row].rules))

    def _periods(self, vault_id: ArmId, rows: Sequence[int]) -> list[list[Span]]:
        if not rows:
            return [self._of_vault(vault_id)]
        return [self._of_vm(freeze) for freeze in dict.fromkeys(self._of_row[row] for row in rows)]

    def _of_vm(self, freeze: _Freeze) -> list[Span]:
        if freeze not in self._frozen:
            zone = resolve_zone(freeze.timezone)

            def midnight(day: date) -> int:
                return to_seconds(datetime.combine(day, time.min, zone).astimezone(UTC))

            ranges = [days for number in freeze.rules for days in self._rules.rule[number].freeze]
            self._frozen[freeze] = union(
                (midnight(max(days.first, _FIRST)), midnight(min(days.last, _LAST) + timedelta(days=1)))
                for days in ranges
            )
        return self._frozen[freeze]

    def _of_vault(self, vault_id: ArmId) -> list[Span]:
        """Periods in which every VM of a vault is frozen."""
        if vault_id not in self._frozen_vaults:
            rows = [row for row, item in enumerate(self._inventory.items) if item.vault_id == vault_id]
            frozen: list[Span] | None = None
            for freeze in dict.fromkeys(self._of_row[row] for row in rows):
                spans = self._of_vm(freeze)
                frozen = spans if frozen is None else within(frozen, spans)
            self._frozen_vaults[vault_id] = frozen or []
        return self._frozen_vaults[vault_id]


def _freezes(inventory: Inventory, rules: Rules) -> list[_Freeze]:
    """For each item, the rules that freeze it."""
    freezing = [(number, rule) for number, rule in enumerate(rules.rule) if rule.freeze]
    freezes = []
    for item in inventory.items:
        policy = inventory.policy(item)
        whose = (inventory.vm(item), inventory.vault(item), policy.recurrence.frequency)
        numbers = tuple(number for number, rule in freezing if rule.is_for(*whose))
        freezes.append(_Freeze(policy.timezone if numbers else "UTC", numbers))
    return freezes
