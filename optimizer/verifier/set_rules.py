"""Independent check of ``separate`` and ``order`` between sets of VMs, by plain loops over half hours and instants.

It shares no code with :mod:`optimizer.solve`. The verifier of plans and the judge of roll-outs both use it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import pairwise, product

from optimizer.model.inventory import Inventory, Policy, ProtectedItem
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import format_start
from optimizer.verifier.under_rules import is_under, rules_of, stays
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

    @property
    def kind(self) -> tuple[object, ...]:
        """Key that decides, together with the start, which rules the VM breaks."""
        return self.number, self.left_alone, self.policy.recurrence, self.policy.timezone


@dataclass(frozen=True)
class _Group:
    """The VMs of the sets of a rule within one service, within one vault, or all together."""

    rule: Rule
    ordered: bool
    members: Sequence[_Member]

    @property
    def limits_hours(self) -> bool:
        """Whether the rule limits the hours between a set and the next."""
        return self.ordered and self.rule.within is not None

    @cached_property
    def neighbors(self) -> frozenset[tuple[int, int]]:
        """Numbers of each two sets with VMs that have no such set between them."""
        return _neighbors(self.members)


def _neighbors(members: Sequence[_Member]) -> frozenset[tuple[int, int]]:
    return frozenset(pairwise(sorted({member.number for member in members})))


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
            _Group(rule, ordered, members)
            for rule in rules.rule
            for ordered in (False, True)
            for members in _members_by_group(inventory, rules, rule, ordered=ordered)
        ]
        self._groups_of: dict[int, list[tuple[_Group, _Member]]] = defaultdict(list)
        for group in self._groups:
            for member in group.members:
                self._groups_of[member.row].append((group, member))
        self._nights: dict[tuple[object, ...], dict[date, tuple[datetime, datetime]]] = {}
        self._known: dict[tuple[object, ...], bool] = {}

    def breaking(self, starts: Sequence[int]) -> set[tuple[str, int]]:
        """Rules that a schedule breaks, each with the row of a VM that breaks it; immovable pairs do not count."""
        return {
            (group.rule.name, member.row)
            for group in self._groups
            for these, those in self._kinds_that_clash(group, starts)
            for member in (*these, *those)
        }

    def _kinds_that_clash(
        self, group: _Group, starts: Sequence[int]
    ) -> Iterator[tuple[Sequence[_Member], Sequence[_Member]]]:
        """Yield VMs of one set, and those of a later one, that break the rule; all VMs of a kind break the same."""
        kinds: defaultdict[tuple[object, ...], list[_Member]] = defaultdict(list)
        for member in group.members:
            kinds[*member.kind, starts[member.row]].append(member)
        for these, those in product(kinds.values(), repeat=2):
            one, other = these[0], those[0]
            if one.number >= other.number or (one.left_alone and other.left_alone):
                continue
            late = group.limits_hours and (one.number, other.number) in group.neighbors
            if self._clash(one, other, starts, ordered=group.ordered) or (
                late and self._is_too_late(group.rule, one, other, starts)
            ):
                yield these, those

    def broken(
        self, starts: Sequence[int | None], tolerated: Sequence[int] | None = None, *, settled: bool = False
    ) -> list[str]:
        """Rules that a schedule breaks, in words.

        Parameters
        ----------
        starts
            Length V: start option of each VM; None for a VM that does not exist.
        tolerated
            Length V: schedule in which pairs of VMs that clash may continue to clash. Without it, only pairs of
            immovable VMs may clash.
        settled
            Whether no more VMs will be moved, so that ``within`` also counts if ``tolerated`` is given.
        """
        return [
            fault for group in self._groups for fault in self._faults_of(group, starts, tolerated, settled=settled)
        ]

    def _faults_of(
        self, group: _Group, starts: Sequence[int | None], tolerated: Sequence[int] | None, *, settled: bool
    ) -> Iterator[str]:
        """Yield the breaches of a schedule in one group, in words; one VM represents all equal VMs."""
        alike: dict[tuple[object, ...], _Member] = {}
        for member in group.members:
            if starts[member.row] is not None:
                before = None if tolerated is None else tolerated[member.row]
                alike.setdefault((*member.kind, starts[member.row], before), member)
        for one, other in product(alike.values(), repeat=2):
            if one.number < other.number and self._newly_clash(one, other, starts, tolerated, ordered=group.ordered):
                yield _describe(group.rule, one, other, starts, ordered=group.ordered)
        if group.limits_hours and (tolerated is None or settled):
            yield from self._too_late(group, list(alike.values()), starts, tolerated)

    def _too_late(
        self,
        group: _Group,
        members: Sequence[_Member],
        starts: Sequence[int | None],
        tolerated: Sequence[int] | None,
    ) -> Iterator[str]:
        """Yield pairs of neighboring sets whose later set begins more than ``within`` hours after the earlier one.

        This is not checked while VMs are still being moved one by one.
        """
        rule, neighbors = group.rule, _neighbors(members)
        for one, other in product(members, repeat=2):
            if (one.number, other.number) not in neighbors or (one.left_alone and other.left_alone):
                continue
            is_tolerated = tolerated is not None and self._is_too_late(rule, one, other, tolerated)
            if not is_tolerated and self._is_too_late(rule, one, other, starts):
                yield (
                    f"rule {rule.name!r}: {_at(other, starts)} begins more than {rule.within:g} hours after "
                    f"{_at(one, starts)} has ended, against 'within'"
                )

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
        for group, member in self._groups_of.get(row, ()):
            others = [other for other in group.members if starts[other.row] is not None]
            for other in others:
                first, second = sorted((member, other), key=lambda one: one.number)
                if first.number < second.number and self._newly_clash(
                    first, second, starts, tolerated, ordered=group.ordered
                ):
                    return _describe(group.rule, first, second, starts, ordered=group.ordered)
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
        is_tolerated = tolerated is not None and self._clash(one, other, tolerated, ordered=ordered)
        return not is_tolerated and self._clash(one, other, starts, ordered=ordered)

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


def _members_by_group(inventory: Inventory, rules: Rules, rule: Rule, *, ordered: bool) -> list[list[_Member]]:
    """VMs in the sets of a rule, grouped by service, by vault, or all together."""
    sets = rule.order_sets if ordered else rule.separate_sets
    groups: defaultdict[str, list[_Member]] = defaultdict(list)
    for row, item in enumerate(inventory.items if sets else ()):
        number = _number_of_set(inventory, rule, sets, item)
        if number is not None:
            vm = inventory.vm(item)
            group = {"service": vm.service or str(vm.id), "vault": item.vault_id.key, None: ""}[rule.per]
            left_alone = stays(item, rules_of(inventory, rules, item))
            groups[group].append(_Member(row, item.vm_id, inventory.policy(item), number, left_alone))
    return list(groups.values())


def _number_of_set(inventory: Inventory, rule: Rule, sets: Sequence[Selector], item: ProtectedItem) -> int | None:
    """Number of the first set that a VM is in; None if the rule does not apply to it, or it is in no set."""
    vm, vault, frequency = inventory.vm(item), inventory.vault(item), inventory.policy(item).recurrence.frequency
    if not is_under(rule, vm, vault, frequency):
        return None
    return next((number for number, chosen in enumerate(sets) if chosen.matches(vm, vault, frequency)), None)
