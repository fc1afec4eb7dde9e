"""Circumstances that make rules hard to keep for some VMs: several backups a day, and changes of the UTC offset.

Each circumstance is assumed away in turn. It is reported only if the rules of a conflict could hold without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from functools import cached_property
from zoneinfo import ZoneInfo

from optimizer.model.inventory import Inventory, Policy, describe_recurrence
from optimizer.model.pattern import Pattern
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.model.timegrid import HORIZON_DAYS, Frequency, Horizon, Recurrence, resolve_zone
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.limits import Limits
from optimizer.solve.problem.restrict import AZURE_GRID
from optimizer.solve.why_not.conflicts import Conflict
from optimizer.solve.why_not.feasibility import Budget, Feasibility


class _OnceADay(Policy):
    """A policy as if its first run of the day were the only one."""

    def pattern(self, horizon: Horizon, timing: SnapshotTiming) -> Pattern:
        return replace(super().pattern(horizon, timing), recurrence=Recurrence(Frequency.DAILY))


class _SteadyClocks(Horizon):
    """A horizon as if no clock changed: every time zone keeps its UTC offset of the horizon's start."""

    @property
    def rule_days(self) -> int:
        return HORIZON_DAYS

    def offsets(self, zone: ZoneInfo) -> tuple[int, ...]:
        return (self.nominal_offset(zone),)


class _SteadyEstate(Inventory):
    """An estate as if no clock changed."""

    @cached_property
    def horizon(self) -> Horizon:
        return _SteadyClocks(self.as_of)


def _with_steady_clocks(inventory: Inventory) -> Inventory:
    return _SteadyEstate(**{field.name: getattr(inventory, field.name) for field in fields(inventory)})


def circumstances(
    inventory: Inventory, conflicts: Sequence[Conflict], limits_of: Callable[[Inventory], Limits], budget: Budget
) -> list[tuple[str, ...]]:
    """For each conflict, the circumstances without which its rules could hold, as sentences.

    Parameters
    ----------
    inventory
        The estate.
    conflicts
        Rules and limits that cannot all hold for it.
    limits_of
        Returns the limits that the rules impose on an estate.
    budget
        Work that may be done. A circumstance is left out if the budget does not suffice to prove it.
    """
    once_a_day = {key: _OnceADay(**vars(policy)) for key, policy in inventory.policies.items()}
    hourly = _Thought(replace(inventory, policies=once_a_day), limits_of, budget, ignored=AZURE_GRID)
    clocks = _Thought(_with_steady_clocks(inventory), limits_of, budget)
    texts = []
    for conflict in conflicts:
        policies = [inventory.policy(inventory.items[row]) for row in conflict.vms]
        texts.append(
            (*_several_runs(policies, conflict, hourly), *_clock_changes(inventory, policies, conflict, clocks))
        )
    return texts


class _Thought:
    """An estate in which one circumstance is assumed away; its limits are computed when they are first needed.

    Parameters
    ----------
    inventory
        The estate.
    limits_of, budget
        See :func:`circumstances`.
    ignored
        Name of a limit that disappears together with the circumstance.
    """

    def __init__(
        self, inventory: Inventory, limits_of: Callable[[Inventory], Limits], budget: Budget, ignored: str = ""
    ) -> None:
        self._inventory, self._limits_of, self._budget, self._ignored = inventory, limits_of, budget, ignored

    @cached_property
    def _feasibility(self) -> Feasibility:
        return Feasibility(self._limits_of(self._inventory), self._budget)

    @property
    def limits(self) -> Limits:
        """The limits of the estate."""
        return self._feasibility.limits

    def resolves(self, conflict: Conflict) -> bool:
        """Whether the limits of a conflict can all hold for this estate."""
        wanted = [limit for limit in self.limits.all if limit in conflict.limits and limit.name != self._ignored]
        return self._feasibility.check(wanted).outcome is SolveStatus.FEASIBLE


def _several_runs(policies: Sequence[Policy], conflict: Conflict, once: _Thought) -> Iterator[str]:
    kinds = {describe_recurrence(p.recurrence) for p in policies if p.recurrence.frequency is Frequency.HOURLY}
    if kinds and once.resolves(conflict):
        for text in sorted(kinds):
            yield f"some are backed up {text}, and every run must keep the rules: with one run a day they could hold"


def _clock_changes(
    inventory: Inventory, policies: Sequence[Policy], conflict: Conflict, steady: _Thought
) -> Iterator[str]:
    rules = [rule for rule in steady.limits.rules.rule if any(rule.name == limit.name for limit in conflict.limits)]
    zones = {policy.timezone for policy in policies}
    zones |= {window.zone for rule in rules for window in (*rule.allow, *rule.forbid) if window.zone}
    changing = sorted(zone for zone in zones if len(inventory.horizon.offsets(resolve_zone(zone))) > 1)
    if changing and steady.resolves(conflict):
        yield (
            f"clocks change in {' and '.join(changing)}, and rules must hold at every UTC offset of the coming year: "
            "at today's offset alone they could hold"
        )
