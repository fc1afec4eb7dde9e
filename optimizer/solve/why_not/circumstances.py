"""What makes rules hard to keep for some VMs: several backups a day, clocks that change; said only where it matters.

Each is thought away in turn.  Where the rules of a conflict can hold then, it is part of the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from optimizer.model.inventory import Inventory, Policy, describe_recurrence
from optimizer.model.timegrid import Frequency, Horizon, Pattern, Recurrence
from optimizer.solve.cpsat import Outcome
from optimizer.solve.restrict import AZURE_GRID
from optimizer.solve.why_not.conflicts import Conflict
from optimizer.solve.why_not.feasibility import Budget, Feasibility
from optimizer.solve.why_not.limits import Limits


class _OnceADay(Policy):
    """A policy as if its first run of the day were the only one."""

    def pattern(self, horizon: Horizon) -> Pattern:
        return replace(super().pattern(horizon), recurrence=Recurrence(Frequency.DAILY))


class _OneReading(Policy):
    """A policy as if its zone kept the offset that it has at the start of the horizon."""

    def pattern(self, horizon: Horizon) -> Pattern:
        known = super().pattern(horizon)
        return replace(known, offsets=known.offsets[:1])


def circumstances(
    inventory: Inventory, conflicts: Sequence[Conflict], limits_of: Callable[[Inventory], Limits], budget: Budget
) -> list[tuple[str, ...]]:
    """For each conflict, what of its VMs' backups it would not be one without, in words.

    Parameters
    ----------
    inventory
        The estate.
    conflicts
        What cannot hold there.
    limits_of
        The limits that the rules make of an estate.
    budget
        Work that may be done; what cannot be shown within it is not said.
    """
    hourly, clocks = (
        _Thought(_OnceADay, inventory, limits_of, budget),
        _Thought(_OneReading, inventory, limits_of, budget),
    )
    found = []
    for conflict in conflicts:
        policies = [inventory.policy(inventory.items[row]) for row in conflict.vms]
        found.append(
            (*_several_runs(policies, conflict, hourly), *_two_readings(inventory, policies, conflict, clocks))
        )
    return found


class _Thought:
    """An estate in which one thing is otherwise, made when it is first asked for."""

    def __init__(
        self, kind: type[Policy], inventory: Inventory, limits_of: Callable[[Inventory], Limits], budget: Budget
    ) -> None:
        self._kind, self._inventory, self._limits_of, self._budget = kind, inventory, limits_of, budget
        self._feasibility: Feasibility | None = None

    def resolves(self, conflict: Conflict) -> bool:
        """Whether the limits of a conflict can hold there."""
        if self._feasibility is None:
            policies = {key: self._kind(**vars(policy)) for key, policy in self._inventory.policies.items()}
            self._feasibility = Feasibility(self._limits_of(replace(self._inventory, policies=policies)), self._budget)
        wanted = [limit for limit in self._feasibility.limits.all if limit in conflict.limits]
        if self._kind is _OnceADay:  # what Azure demands of several runs a day goes with them
            wanted = [limit for limit in wanted if limit.name != AZURE_GRID]
        return self._feasibility.check(wanted).outcome is Outcome.FEASIBLE


def _several_runs(policies: Sequence[Policy], conflict: Conflict, once: _Thought) -> Iterator[str]:
    kinds = {describe_recurrence(p.recurrence) for p in policies if p.recurrence.frequency is Frequency.HOURLY}
    if kinds and once.resolves(conflict):
        for text in sorted(kinds):
            yield f"some back up {text}, and every run has to keep the rules: one a day could"


def _two_readings(
    inventory: Inventory, policies: Sequence[Policy], conflict: Conflict, steady: _Thought
) -> Iterator[str]:
    zones = {p.timezone for p in policies if len(p.pattern(inventory.horizon).offsets) > 1}
    if zones and steady.resolves(conflict):
        for zone in sorted(zones):
            yield f"some are in {zone}, where the rules have to hold at both readings of the clock: at one they could"
