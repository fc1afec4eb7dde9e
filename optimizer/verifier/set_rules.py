"""Independent check of ``separate`` and ``order`` between sets of VMs, by plain loops over half hours and instants.

It shares no code with :mod:`optimizer.solve`.  The verifier of plans and the judge of roll-outs both use it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from optimizer.model.inventory import Inventory, Policy, Vault, Vm
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import Frequency, format_start
from optimizer.verifier.window_clock import WindowClock

NOON = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class _Member:
    """A VM in a set of a rule."""

    row: int
    vm: str
    policy: Policy
    number: int
    left_alone: bool


class SetRules:
    """Rules between sets of VMs, and a check whether schedules break them.

    Parameters
    ----------
    inventory
        Inventory with the VMs; their sets, groups and kinds of policy never change.
    rules
        Rules with ``separate`` and ``order``.
    clock
        Clock that gives windows as instants and half hours.
    """

    def __init__(self, inventory: Inventory, rules: Rules, clock: WindowClock) -> None:
        self._clock = clock
        self._groups = [
            (rule, ordered, members)
            for rule in rules.rule
            for ordered in (False, True)
            for members in _groups(inventory, rules, rule, ordered=ordered)
        ]
        self._groups_of: dict[int, list[tuple[int, _Member]]] = defaultdict(list)
        for number, (_, _, members) in enumerate(self._groups):
            for member in members:
                self._groups_of[member.row].append((number, member))
        self._nights: dict[tuple[object, ...], dict[date, tuple[datetime, datetime]]] = {}
        self._known: dict[tuple[object, ...], bool] = {}

    def breaking(self, starts: Sequence[int]) -> set[tuple[str, int]]:
        """Rules that a schedule breaks, each with the row of a VM that breaks it; immovable pairs do not count."""
        found = set()
        for rule, ordered, members in self._groups:
            alike: defaultdict[tuple[object, ...], list[_Member]] = defaultdict(list)  # VMs that break the same rules
            for member in members:
                kind = (member.policy.recurrence, member.policy.timezone, starts[member.row])
                alike[member.number, member.left_alone, *kind].append(member)
            numbers = {member.number for member in members}
            for these in alike.values():
                for those in alike.values():
                    one, other = these[0], those[0]
                    if one.number >= other.number or (one.left_alone and other.left_alone):
                        continue
                    neighbors = not any(one.number < number < other.number for number in numbers)
                    late = ordered and rule.within is not None and neighbors
                    if self._clash(one, other, starts, ordered=ordered) or (
                        late and self._is_too_late(rule, one, other, starts)
                    ):
                        found |= {(rule.name, member.row) for member in (*these, *those)}
        return found

    def broken(
        self, starts: Sequence[int | None], tolerated: Sequence[int] | None = None, *, settled: bool = False
    ) -> list[str]:
        """Rules that a schedule breaks, in words.

        Parameters
        ----------
        starts
            Length V: start option of each VM; None for a VM that does not exist.
        tolerated
            Length V: schedule in which pairs of VMs that clash may continue to clash.  Without it, only pairs of
            immovable VMs may clash.
        settled
            Whether no more VMs will be moved, so that ``within`` also counts if ``tolerated`` is given.
        """
        faults = []
        for rule, ordered, members in self._groups:
            alike: dict[tuple[object, ...], _Member] = {}  # one VM represents all equal VMs
            for member in members:
                before = None if tolerated is None else tolerated[member.row]
                kind = (member.policy.recurrence, member.policy.timezone, starts[member.row], before)
                if starts[member.row] is not None:
                    alike.setdefault((member.number, member.left_alone, *kind), member)
            faults += [
                _describe(rule, one, other, starts, ordered=ordered)
                for one in alike.values()
                for other in alike.values()
                if one.number < other.number and self._newly_clash(one, other, starts, tolerated, ordered=ordered)
            ]
            if ordered and rule.within is not None and (tolerated is None or settled):
                faults += self._too_late(rule, list(alike.values()), starts, tolerated)
        return faults

    def _too_late(
        self,
        rule: Rule,
        members: Sequence[_Member],
        starts: Sequence[int | None],
        tolerated: Sequence[int] | None,
    ) -> list[str]:
        """Pairs of neighboring sets whose later set begins more than ``within`` hours after the earlier one.

        This is not checked while VMs are still being moved one by one.
        """
        faults, numbers = [], sorted({member.number for member in members})
        for earlier, later in pairwise(numbers):
            for one in (member for member in members if member.number == earlier):
                for other in (member for member in members if member.number == later):
                    was = tolerated is not None and self._is_too_late(rule, one, other, tolerated)
                    if was or (one.left_alone and other.left_alone):
                        continue
                    if self._is_too_late(rule, one, other, starts):
                        first, second = (_at(member, starts) for member in (one, other))
                        faults.append(
                            f"rule {rule.name!r}: {second} begins more than {rule.within:g} hours after {first} has "
                            "ended, against 'within'"
                        )
        return faults

    def _is_too_late(self, rule: Rule, one: _Member, other: _Member, starts: Sequence[int | None]) -> bool:
        start, other_start = starts[one.row], starts[other.row]
        assert start is not None and other_start is not None and rule.within is not None
        # For each VM, the UTC offset that is worse: the earlier VM as early as possible, the later VM as late as
        # possible.
        first, second = self._nights_of(one.policy, start), self._nights_of(other.policy, other_start)
        spread, other_spread = self._spread(one.policy), self._spread(other.policy)
        return any(
            night in second
            and second[night][0] + other_spread - (first[night][1] - spread) > timedelta(hours=rule.within)
            for night in first
        )

    def _spread(self, policy: Policy) -> timedelta:
        """Difference between the UTC offsets of a policy's clock."""
        offsets = self._clock.offsets(policy)
        return max(offsets) - min(offsets)

    def broken_by(self, row: int, starts: Sequence[int | None], tolerated: Sequence[int]) -> str:
        """Rule that one VM breaks together with another, in words; empty if it breaks no rule.

        Parameters
        ----------
        row
            Row of the VM.
        starts, tolerated
            See :meth:`broken`.
        """
        for number, member in self._groups_of.get(row, ()):
            rule, ordered, members = self._groups[number]
            for other in members:
                if starts[other.row] is None or other.number == member.number:
                    continue
                pair = (member, other) if member.number < other.number else (other, member)
                if self._newly_clash(*pair, starts, tolerated, ordered=ordered):
                    return _describe(rule, *pair, starts, ordered=ordered)
        return ""

    def _newly_clash(
        self,
        one: _Member,
        other: _Member,
        starts: Sequence[int | None],
        tolerated: Sequence[int] | None,
        *,
        ordered: bool,
    ) -> bool:
        if tolerated is None and one.left_alone and other.left_alone:
            return False
        was = tolerated is not None and self._clash(one, other, tolerated, ordered=ordered)
        return not was and self._clash(one, other, starts, ordered=ordered)

    def _clash(self, one: _Member, other: _Member, starts: Sequence[int | None], *, ordered: bool) -> bool:
        start, other_start = starts[one.row], starts[other.row]
        assert start is not None and other_start is not None
        kinds = [(member.policy.recurrence, member.policy.timezone) for member in (one, other)]
        key = (ordered, *kinds, start, other_start)
        if key not in self._known:
            if ordered:
                first, second = self._nights_of(one.policy, start), self._nights_of(other.policy, other_start)
                self._known[key] = any(night in second and second[night][0] < end for night, (_, end) in first.items())
            else:
                half_hours = self._clock.half_hours(other.policy, other_start)
                self._known[key] = any(moment in half_hours for moment in self._clock.half_hours(one.policy, start))
        return self._known[key]

    def _nights_of(self, policy: Policy, option: int) -> dict[date, tuple[datetime, datetime]]:
        """First begin and last end of the windows in each night of the horizon, from noon to noon, local time."""
        key = (policy.recurrence, policy.timezone, option)
        if key not in self._nights:
            self._nights[key] = self._find_nights(policy, option)
        return self._nights[key]

    def _find_nights(self, policy: Policy, option: int) -> dict[date, tuple[datetime, datetime]]:
        clock, found = self._clock, dict[date, tuple[datetime, datetime]]()
        first, last = clock.horizon.start.date(), clock.horizon.end.date()
        day = first - timedelta(days=2)
        while day <= last + timedelta(days=2):
            for weekday, wall in clock.wall_times(policy, option):
                local = datetime.combine(day, time.min) + wall
                night = (local - NOON).date()
                if weekday == day.weekday() and first <= night < last:
                    for offset in clock.offsets(policy):
                        begin, end = local - offset, local - offset + clock.length(policy)
                        earliest, latest = found.get(night, (begin, end))
                        found[night] = min(earliest, begin), max(latest, end)
            day += timedelta(days=1)
        return found


def _describe(rule: Rule, one: _Member, other: _Member, starts: Sequence[int | None], *, ordered: bool) -> str:
    first, second = (_at(member, starts) for member in (one, other))
    if ordered:
        return f"rule {rule.name!r}: {second} begins before {first} has ended, against 'order'"
    return f"rule {rule.name!r}: {first} meets {second}, against 'separate'"


def _at(member: _Member, starts: Sequence[int | None]) -> str:
    return f"{member.vm} at {format_start(starts[member.row] or 0)}"


def is_under(rule: Rule, vm: Vm, vault: Vault, frequency: Frequency) -> bool:
    """Whether ``where`` selects a VM for a rule and no set of ``except`` exempts it."""
    if not rule.where.matches(vm, vault, frequency):
        return False
    for one in rule.exempt:
        criteria = Selector(name=one) if isinstance(one, str) else one
        if criteria.matches(vm, vault, frequency):
            return False
    return True


def _groups(inventory: Inventory, rules: Rules, rule: Rule, *, ordered: bool) -> list[list[_Member]]:
    """VMs in the sets of a rule, grouped by service, by vault, or all together."""
    sets = rule.order_sets if ordered else rule.separate_sets
    groups: defaultdict[str, list[_Member]] = defaultdict(list)
    for row, item in enumerate(inventory.items if sets else ()):
        vm, vault, policy = inventory.vm(item), inventory.vault(item), inventory.policy(item)
        frequency = policy.recurrence.frequency
        if not is_under(rule, vm, vault, frequency):
            continue
        number = 0
        while number < len(sets) and not sets[number].matches(vm, vault, frequency):
            number += 1
        if number < len(sets):
            group = {"service": vm.service or str(vm.id), "vault": item.vault_id.key, None: ""}[rule.per]
            held = (other for other in rules.rule if other.pin or other.exclude)
            left_alone = bool(item.unwritable) or any(is_under(other, vm, vault, frequency) for other in held)
            groups[group].append(_Member(row, item.vm_id, policy, number, left_alone))
    return list(groups.values())
