"""Finds limits to drop or to loosen so that a schedule becomes possible, and describes that schedule.

Answers are reported early and completed later: every conflict and every way out is reported as soon as it is proven.
Today's schedule guarantees a way out, because it is a schedule without the limits that it breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optimizer.model.arrays import IntArray
from optimizer.ports import ignore
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.breaches import broken_limits
from optimizer.solve.problem.limits import Limit, Limits
from optimizer.solve.why_not.changes import Change
from optimizer.solve.why_not.conflicts import (
    Conflict,
    first_conflicts,
    grow,
    in_order,
    shrink,
    single_vm_conflicts,
    smallest_first,
)
from optimizer.solve.why_not.effects import Effect
from optimizer.solve.why_not.feasibility import Budget, Feasibility
from optimizer.solve.why_not.hitting_sets import smallest_hitting_set
from optimizer.solve.why_not.loosening import Changed, dropped, loosened_set

MAX_SETS = 6
"""Maximum number of sets of limits whose dropping is tried; those with the fewest limits come first."""

MAX_LOOSENED = 3
"""Maximum number of sets, the cheapest ones, for which the smallest sufficient loosening is determined."""

SHARE_BEFORE_TODAY, SHARE_OF_VARIANTS, SHARE_OF_SETS, SHARE_OF_PROOF = 0.05, 0.25, 0.5, 0.25
"""Shares of the whole work, in this order.

The first is spent before ways out are derived from today's schedule, the second on variants of these. The third is the
maximum for all ways out. The fourth is for the proof that no conflict is smaller. Loosening gets what is left, except
the share of the proof.
"""


@dataclass(frozen=True, slots=True)
class Relaxation:
    """Changes of limits that together make a schedule possible.

    Parameters
    ----------
    changes
        Changes in the order in which the limits were written.
    effect
        The plan that results, found and verified by solving again.
    minimal
        Whether it is proven that none of these limits could stay as it is.
    """

    changes: tuple[Change, ...]
    effect: Effect
    minimal: bool = True


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why there is no schedule, and what would make one possible.

    Parameters
    ----------
    outcome
        INFEASIBLE: there are conflicts. UNKNOWN: it is not proven that no schedule exists; there may be ways out.
        FEASIBLE: a schedule exists.
    conflicts
        Conflicts, the smallest first.
    relaxations
        Ways out, the cheapest first; a way out that loosens limits by an amount is listed besides the one that drops
        them.
    complete
        Whether every minimal set of limits whose dropping suffices was tried.
    """

    outcome: SolveStatus
    conflicts: tuple[Conflict, ...] = ()
    relaxations: tuple[Relaxation, ...] = ()
    complete: bool = False


Judge = Callable[[Sequence[Change], IntArray], Effect | None]
"""Solves again under changes, given a schedule that may be possible then; None if no verified schedule was found."""

Listener = Callable[[Conflict | Relaxation], None]
"""Receives every conflict and every way out as soon as it is proven."""


def diagnose(limits: Limits, judge: Judge, budget: Budget, tell: Listener = ignore) -> Diagnosis:
    """Find the conflicts and what would resolve them.

    Parameters
    ----------
    limits
        The problem.
    judge
        Function that solves again.
    budget
        Work for everything except the judge.
    tell
        Called with every conflict and every way out as it is found.
    """
    feasibility = Feasibility(limits, budget)
    known, outcome = first_conflicts(limits, feasibility)
    if outcome is SolveStatus.FEASIBLE:
        return Diagnosis(outcome)
    for conflict in known:
        tell(conflict)
    search = _WaysOut(limits, feasibility, judge, tell, known)
    with budget.at_most(SHARE_OF_SETS * budget.whole):
        complete = search.search()
    conflicts: list[Conflict] = []
    with budget.at_most(budget.work - SHARE_OF_PROOF * budget.whole):
        search.loosen()
    if search.conflicts:
        with budget.at_most(SHARE_OF_PROOF * budget.whole):
            first, *rest = smallest_first(limits, feasibility, search.conflicts, search.corrections)
            conflicts = [first, *(other for other in rest if other.irreducible)]
    return Diagnosis(outcome, tuple(conflicts), search.relaxations(), complete)


@dataclass(frozen=True, slots=True)
class _Way:
    """A set of limits to drop, and the relaxation that was made of it."""

    limits: frozenset[Limit]
    relaxation: Relaxation


class _WaysOut:
    """Looks for sets of limits without which a schedule is possible, and has each set solved again.

    Parameters
    ----------
    limits, feasibility, judge, tell
        The problem; the object that answers whether limits can hold; the function that solves again; the listener.
    conflicts
        Conflicts that are known and already reported. Later ones are reported only if all their limits are needed.
    """

    def __init__(
        self, limits: Limits, feasibility: Feasibility, judge: Judge, tell: Listener, conflicts: Sequence[Conflict]
    ) -> None:
        self.limits, self.feasibility, self.judge, self.tell = limits, feasibility, judge, tell
        self.conflicts = list(conflicts)
        self.corrections: list[frozenset[Limit]] = []
        self._ways: list[_Way] = []
        self._loosened: list[Relaxation] = []
        self._unsettled: list[frozenset[Limit]] = []

    def search(self) -> bool:
        """Find sets, the smallest first; return whether these are all minimal sets.

        A set that hits every known conflict is tried; if it does not suffice, there is another conflict (Liffiton,
        Sakallah, Journal of Automated Reasoning 40, 2008; Liffiton et al., "Fast, flexible MUS enumeration",
        Constraints 21, 2016). If no set is found soon, the limits that today's schedule breaks are such a set, which
        is reduced limit by limit.
        """
        budget = self.feasibility.budget
        with budget.at_most(SHARE_BEFORE_TODAY * budget.whole):
            complete = self._enumerate(1)
        if not self._ways and not complete:
            self._cut_down_today()
            with budget.at_most(SHARE_OF_VARIANTS * budget.whole):
                self._vary()
        if not complete:
            complete = self._enumerate(MAX_SETS)
        if not self._ways:
            self._drop_what_today_breaks()
        return complete and len(self._ways) == len(self.corrections)

    def _enumerate(self, enough: int) -> bool:
        """Try sets until ``enough`` ways out are known; return whether there are no others."""
        changeable = [limit for limit in self.limits.all if limit.can_change]
        while len(self._ways) < enough and not self.feasibility.budget.over:
            to_hit = [frozenset(conflict.limits).intersection(changeable) for conflict in self.conflicts]
            candidate = smallest_hitting_set(changeable, to_hit, self.corrections, self._unsettled)
            if candidate is None:
                return not self._unsettled
            self._try(candidate)
        return False

    def _try(self, candidate: frozenset[Limit]) -> None:
        """Find out whether dropping a set of limits suffices; if not, there is another conflict."""
        kept = frozenset(self.limits.all) - candidate
        answer = self.feasibility.check(kept)
        if answer.options is not None:
            above_unsettled = any(unsettled <= candidate for unsettled in self._unsettled)
            self._add(candidate, answer.options, minimal=not above_unsettled)
        elif answer.outcome is SolveStatus.INFEASIBLE:
            more = single_vm_conflicts(self.limits, kept) or [shrink(self.limits, self.feasibility, kept)]
            for conflict in more:
                if conflict.irreducible:
                    self.tell(conflict)
            self.conflicts += more
        else:
            self._unsettled.append(candidate)

    def _cut_down_today(self) -> None:
        """Keep as many as possible of the limits that today's schedule breaks; the others are a way out."""
        self.feasibility.witness(self.limits.instance.today)
        self._grow(frozenset())

    def _vary(self) -> None:
        """Look for ways out that keep a limit which all ways out so far drop."""
        for limit in self.limits.all:
            if self.feasibility.budget.over or len(self._ways) >= MAX_SETS:
                return
            if self.corrections and all(limit in correction for correction in self.corrections):
                self._grow(frozenset([limit]))

    def _grow(self, first: frozenset[Limit]) -> None:
        """Keep what today's schedule keeps and some other limits, then as many more as possible."""
        everything = frozenset(self.limits.all)
        kept = everything - broken_limits(self.limits, self.limits.instance.today).keys() | first
        if self.feasibility.check(kept).options is None:
            return
        grown, settled = grow(self.limits, self.feasibility, kept)
        options = self.feasibility.check(grown).options
        missing = everything - grown
        if options is not None and missing and all(limit.can_change for limit in missing):
            self._add(missing, options, minimal=settled)

    def _drop_what_today_breaks(self) -> None:
        """Add the way out that needs no search: today's schedule is possible without the limits that it breaks."""
        today = self.limits.instance.today
        broken = broken_limits(self.limits, today)
        if broken and all(limit.can_go for limit in broken):
            self._judge(frozenset(broken), Changed(tuple(map(Change, in_order(self.limits, broken))), today), False)

    def _add(self, names: frozenset[Limit], options: IntArray, *, minimal: bool) -> None:
        """Record a set of limits without which a schedule is possible, and have it solved again."""
        self.corrections.append(names)
        changed = dropped(self.limits, self.feasibility, names, options)
        if changed is not None:
            self._judge(names, changed, minimal)

    def _judge(self, names: frozenset[Limit], changed: Changed, minimal: bool) -> None:
        effect = self.judge(changed.changes, changed.options)
        if effect is not None:
            way = _Way(names, Relaxation(changed.changes, effect, minimal))
            self._ways.append(way)
            self.tell(way.relaxation)

    def loosen(self) -> None:
        """Determine, for the cheapest ways out, by how little their limits have to give way."""
        cheapest = sorted(self._ways, key=lambda way: way.relaxation.effect.cost)
        for way in cheapest[:MAX_LOOSENED]:
            if self.feasibility.budget.over:
                return
            changed = loosened_set(self.limits, self.feasibility, way.limits)
            if changed is None or any(changed.changes == other.changes for other in self.relaxations()):
                continue
            effect = self.judge(changed.changes, changed.options)
            if effect is not None:
                relaxation = Relaxation(changed.changes, effect, way.relaxation.minimal)
                self._loosened.append(relaxation)
                self.tell(relaxation)

    def relaxations(self) -> tuple[Relaxation, ...]:
        """Every way out, in the order of the cost of the plan that it makes possible."""
        to_spare = [way for way in self._ways if any(other.limits < way.limits for other in self._ways)]
        ways_out = [*(way.relaxation for way in self._ways if way not in to_spare), *self._loosened]
        ways_out.sort(
            key=lambda way_out: (round(way_out.effect.cost, 2), sum(change.drops for change in way_out.changes))
        )
        return tuple(ways_out)
