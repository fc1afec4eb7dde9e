"""Independent count of the breaches that a plan of ``plan --toward`` leaves, by plain loops over half hours.

Such a plan keeps the rules only in part. It may break a rule only if today's schedule breaks it, and must state for
how many VMs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from optimizer.model.inventory import Inventory, ProtectedItem
from optimizer.model.rules import Rule
from optimizer.verifier.set_rules import SetRules
from optimizer.verifier.under_rules import CappedGroup
from optimizer.verifier.window_clock import WindowClock


@dataclass(frozen=True, slots=True)
class Counting:
    """Inputs for counting breaches.

    Parameters
    ----------
    inventory
        Inventory with the protected VMs.
    clock, sets
        The verifier's clock, and its check of rules between VMs.
    rules_of
        Returns the rules that apply to an item.
    groups_of
        Returns the capped groups in which an item is counted.
    stays
        Returns whether an item never moves, given its rules. Such an item does not count.
    """

    inventory: Inventory
    clock: WindowClock
    sets: SetRules
    rules_of: Callable[[ProtectedItem], Sequence[Rule]]
    groups_of: Callable[[ProtectedItem], Sequence[CappedGroup]]
    stays: Callable[[ProtectedItem, Sequence[Rule]], bool]

    def breaking(self, starts: Sequence[int]) -> Counter[str]:
        """Number of VMs that break each rule.

        Parameters
        ----------
        starts
            Length V: start option of each VM.
        """
        still = [self.stays(item, self.rules_of(item)) for item in self.inventory.items]
        found = {*self._outside_windows(starts), *self._over_caps(starts, still), *self.sets.breaking(starts)}
        return Counter(name for name, row in found if not still[row])

    def _outside_windows(self, starts: Sequence[int]) -> set[tuple[str, int]]:
        return {
            (rule.name, row)
            for row, item in enumerate(self.inventory.items)
            for rule in self.rules_of(item)
            if not self.clock.fits(rule, self.inventory.policy(item), starts[row])
        }

    def _over_caps(self, starts: Sequence[int], still: Sequence[bool]) -> set[tuple[str, int]]:
        met: defaultdict[tuple[str, str, int], set[int]] = defaultdict(set)
        caps: dict[str, int] = {}
        for row, item in enumerate(self.inventory.items):
            for group in self.groups_of(item):
                caps[group.rule.name] = group.cap
                for moment in self.clock.half_hours(self.inventory.policy(item), starts[row]):
                    met[group.rule.name, group.group, moment].add(row)
        found = set()
        for (name, _, _), rows in met.items():
            if len(rows) > max(caps[name], sum(still[row] for row in rows)):
                found |= {(name, row) for row in rows}
        return found


def check_left(before: Counter[str], after: Counter[str], stated: Mapping[str, int]) -> list[str]:
    """Faults in the breaches that a plan states, in words.

    Parameters
    ----------
    before, after
        Number of VMs that break each rule today and in the plan.
    stated
        Number of VMs that break each rule in the plan according to the plan, for the rules that today's schedule
        breaks.
    """
    faults = [
        f"rule {name!r}: {after[name]} VMs break it in the plan, and {before[name]} do today"
        for name in after
        if after[name] > before[name]
    ]
    return faults + [
        f"rule {name!r}: the plan states {stated.get(name, 0)} VMs that break it, it is {after[name]}"
        for name in sorted({*before, *after, *stated})
        if stated.get(name, 0) != after[name] or (before[name] > 0) != (name in stated)
    ]
