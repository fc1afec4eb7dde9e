"""Independent check that a plan's changes can be made in their order, with every limit and rule kept after each write.

It shares no code with the modules that order the changes (:mod:`optimizer.ordering.estate_state`,
:mod:`optimizer.solve.problem.executable`). It makes the changes one by one and checks each state. Rules on the
windows of single VMs need no check here: each VM is written once, so it always starts either as today or as in the
end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from optimizer.documents import Change, CreatePolicy, EditPolicy, ReassignItem
from optimizer.model.inventory import Inventory, ProtectedItem
from optimizer.model.policy_limits import vm_limit
from optimizer.model.rules import Rules
from optimizer.model.timegrid import format_start
from optimizer.verifier.checked import option_of
from optimizer.verifier.set_rules import SetRules
from optimizer.verifier.under_rules import CappedGroup
from optimizer.verifier.window_clock import WindowClock

MOST_FAULTS = 5
"""Number of faults after which the replay ends, because later faults follow from them."""


CappedGroups = Callable[[ProtectedItem], Iterable[CappedGroup]]


def check_order(
    before: Inventory,
    rules: Rules,
    changes: Sequence[Change],
    clock: WindowClock,
    sets: SetRules,
    groups_of: CappedGroups,
) -> list[str]:
    """Faults of the states that a plan passes through, in words; empty if every state is valid.

    Parameters
    ----------
    before
        State before the first change.
    rules
        Rules that must hold after each change.
    changes
        Changes in the order in which they are made.
    clock, sets
        The verifier's clock, and its check of rules between VMs.
    groups_of
        Returns the capped groups in which an item is counted.
    """
    replay = _Replay(before, rules, clock, sets, groups_of)
    for number, change in enumerate(changes, start=1):
        match change:
            case CreatePolicy():
                replay.create(number, change)
            case EditPolicy():
                replay.edit(number, change)
            case ReassignItem():
                replay.reassign(number, change)
        if len(replay.faults) >= MOST_FAULTS:
            break
    return replay.faults


class _Replay:
    """State after some changes."""

    def __init__(
        self, before: Inventory, rules: Rules, clock: WindowClock, sets: SetRules, groups_of: CappedGroups
    ) -> None:
        self.faults: list[str] = []
        self._before, self._rules, self._clock, self._sets = before, rules, clock, sets
        self._limit = vm_limit(rules.policies, before)
        self._start = {key: policy.start for key, policy in before.policies.items()}
        self._size = dict(before.policy_sizes)
        self._policies = Counter({vault: before.policies_in_vault(vault) for vault in before.vaults})
        self._row = {item.id: row for row, item in enumerate(before.items)}
        self._at = [item.policy_id for item in before.items]
        self._today = [before.policy(item).start for item in before.items]
        self._starts: list[int | None] = list(self._today)
        self._written: set[int] = set()
        self._groups = [tuple(groups_of(item)) for item in before.items]
        self._met: Counter[tuple[str, str, int]] = Counter()
        for row, start in enumerate(self._today):
            self._met.update(self._places(row, start))
        self._met_today = Counter(self._met)

    def create(self, number: int, change: CreatePolicy) -> None:
        """Create a policy."""
        key, vault = change.policy_id, change.vault_id
        if key in self._start:
            self._fault(number, f"policy {change.policy!r} is there already")
        self._start[key], self._size[key] = option_of(change.start), 0
        self._policies[vault] += 1
        most = max(self._rules.policies.max_policies_per_vault, self._before.policies_in_vault(vault))
        if self._policies[vault] > most:
            self._fault(number, f"vault {vault} holds {self._policies[vault]} policies; the limit is {most}")

    def edit(self, number: int, change: EditPolicy) -> None:
        """Change the start of a policy with all its VMs."""
        key = change.policy_id
        rows = list(self._before.items_by_policy[key])
        if any(self._at[row] != key for row in rows) or self._size[key] != self._before.policy_sizes[key]:
            self._fault(number, f"policy {change.policy!r} protects other VMs than today when it is edited")
        self._start[key] = option_of(change.start)
        self._move(number, rows, self._start[key])

    def reassign(self, number: int, change: ReassignItem) -> None:
        """Assign a VM to another policy."""
        key, row = change.policy_id, self._row[change.item_id]
        if key not in self._start:
            self._fault(number, f"there is no policy {change.policy!r} yet")
            return
        if self._at[row] != change.policy_today_id:
            self._fault(number, f"{change.vm} is in another policy than {change.policy_today!r}")
        self._size[self._at[row]] -= 1
        self._size[key] += 1
        self._at[row] = key
        limit = self._limit.existing if key in self._before.policies else self._limit.new
        if self._size[key] > limit:
            self._fault(number, f"policy {change.policy!r} holds {self._size[key]} VMs; the limit is {limit}")
        self._move(number, [row], self._start[key])

    def _move(self, number: int, rows: list[int], start: int) -> None:
        """Move VMs to a start, and check the rules between VMs."""
        gained: Counter[tuple[str, str, int]] = Counter()
        caps: dict[str, int] = {}
        for row in rows:
            if row in self._written:
                self._fault(number, f"{self._before.items[row].vm_id} is written more than once")
            self._written.add(row)
            old = self._starts[row]
            assert old is not None
            gained.update(self._places(row, start))
            gained.subtract(self._places(row, old))
            caps.update({group.rule.name: group.cap for group in self._groups[row]})
            self._starts[row] = start
        self._met.update(gained)
        for place, more in gained.items():
            if more > 0 and self._met[place] > max(caps[place[0]], self._met_today[place]):
                self._fault(number, f"rule {place[0]!r}: {self._met[place]} windows overlap at {format_start(start)}")
                break
        for row in rows:
            if broken := self._sets.broken_by(row, self._starts, tolerated=self._today):
                self._fault(number, broken)
                break

    def _places(self, row: int, start: int) -> list[tuple[str, str, int]]:
        """Half hours of each capped group that a VM's windows touch."""
        if not self._groups[row]:
            return []
        half_hours = self._clock.half_hours(self._before.policy(self._before.items[row]), start)
        return [(group.rule.name, group.group, moment) for group in self._groups[row] for moment in half_hours]

    def _fault(self, number: int, text: str) -> None:
        self.faults.append(f"change {number}: {text}")
