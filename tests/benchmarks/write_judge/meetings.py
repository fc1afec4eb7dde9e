"""Rules about VMs together: caps, separation and order, looked at in every state on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import combinations
from typing import Any

from tests.benchmarks.write_judge.clocks import DAY, WINDOW, Schedule, readings, slots_of
from tests.benchmarks.write_judge.facts import Vm, fits, group_of, is_for
from tests.benchmarks.write_judge.record import Rule

Schedules = Mapping[str, Schedule]
Fault = tuple[Rule, str]

_NOON = 720


class Meetings:
    """What of caps, separation and order is broken in a state and was not before anything was written.

    Parameters
    ----------
    rules
        The planner's rules.
    vms
        By id in lower case.
    at_first
        When each VM was backed up before anything was written.
    began
        When that was.
    """

    def __init__(self, rules: Mapping[str, Any], vms: Mapping[str, Vm], at_first: Schedules, began: datetime) -> None:
        self._rules = [
            rule for rule in rules.get("rule") or () if rule.keys() & {"max_concurrent", "separate", "order"}
        ]
        self._vms, self._began = vms, began
        self._counts_then = [self._counts(rule, at_first) for rule in self._rules]
        self._pairs_then = [set(self._broken_pairs(rule, at_first)) for rule in self._rules]

    def faults(self, schedules: Schedules) -> Iterator[Fault]:
        """What a state breaks that was kept at first."""
        for rule, counts_then, pairs_then in zip(self._rules, self._counts_then, self._pairs_then, strict=True):
            cap = rule.get("max_concurrent") or 1
            for (group, slot), count in sorted(self._counts(rule, schedules).items()):
                if count > max(cap, counts_then[group, slot]):
                    kind: Rule = "separate" if rule.get("separate") is True else "cap"
                    where = f"in {group!r}, half hour {slot} of the week in UTC"
                    yield kind, f"rule {rule['name']!r}: {count} windows {where}; allowed are {cap}"
                    break
            for pair in sorted(set(self._broken_pairs(rule, schedules)) - pairs_then):
                kind = "order" if rule.get("order") else "separate"
                first, second = (self._vms[vm].name for vm in pair)
                yield kind, f"rule {rule['name']!r}: {first} and {second}"

    def _counts(self, rule: Mapping[str, Any], schedules: Schedules) -> Counter[tuple[str, int]]:
        counts: Counter[tuple[str, int]] = Counter()
        if not rule.get("max_concurrent") and rule.get("separate") is not True:
            return counts
        for vm_id, schedule in schedules.items():
            vm = self._vms.get(vm_id)
            if vm is not None and is_for(rule, vm):
                counts.update((group_of(rule, vm), slot) for slot in slots_of(schedule, self._began.year))
        return counts

    def _broken_pairs(self, rule: Mapping[str, Any], schedules: Schedules) -> Iterator[tuple[str, str]]:
        ordered = rule.get("order") or ()
        sets: Sequence[Any] = ordered or (rule["separate"] if isinstance(rule.get("separate"), list) else ())
        groups: dict[str, list[list[str]]] = defaultdict(lambda: [[] for _ in sets])
        for vm_id in schedules:
            vm = self._vms.get(vm_id)
            if sets and vm is not None and is_for(rule, vm):
                number = next((n for n, one in enumerate(sets) if fits(one, vm)), None)
                if number is not None:
                    groups[group_of(rule, vm)][number].append(vm_id)
        for members in groups.values():
            for earlier, later in combinations(members, 2):
                for first in earlier:
                    for second in later:
                        if self._are_wrong(schedules[first], schedules[second], in_order=bool(ordered)):
                            yield first, second

    def _are_wrong(self, first: Schedule, second: Schedule, *, in_order: bool) -> bool:
        if not in_order:
            return bool(slots_of(first, self._began.year) & slots_of(second, self._began.year))
        return any(
            self._ends_late(first, second, one, other)
            for one in readings(first.zone, self._began)
            for other in readings(second.zone, self._began)
        )

    @staticmethod
    def _ends_late(first: Schedule, second: Schedule, one: int, other: int) -> bool:
        """Whether on some day a window of the second begins before the last one of the first has ended."""
        firsts, seconds = _runs_of_days(first, one), _runs_of_days(second, other)
        return any(max(firsts[day]) + WINDOW > min(seconds[day]) for day in firsts.keys() & seconds.keys())


def _runs_of_days(schedule: Schedule, offset: int) -> dict[int, list[int]]:
    """Runs in UTC by the day (noon to noon on the policy's clock) in which they start, in minutes of that day."""
    found: dict[int, list[int]] = defaultdict(list)
    for day in schedule.days:
        for run in schedule.runs:
            local = day * DAY + schedule.start + run
            noon_day = (local - _NOON) // DAY
            found[noon_day % 7].append(local - noon_day * DAY - offset)
    return found
