"""Interface of the problem for other packages: questions about schedules beyond their cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.ports import Progress, no_progress
from optimizer.solve.bound.cuts import rules_without_cut
from optimizer.solve.bound.forced import sharp_forced_bounds
from optimizer.solve.bound.stable import Stability, stable_assignments
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.spreading import Service
from optimizer.solve.exact.stages import InStages, cheapest_in_stages
from optimizer.solve.moves.curve import CurvePoint, trace_moves
from optimizer.solve.moves.gains import Gains
from optimizer.solve.moves.knee import FewestMoves, find_knee
from optimizer.solve.problem.statement import Statement
from optimizer.solve.search.single_moves import improve_single_moves, settle_ties
from optimizer.solve.search.solved import Solved
from optimizer.solve.why_not.shadow import DEFAULT_ROUNDS, LimitPrice, price_limits


class Problem(Statement):
    """A problem that answers questions about its schedules beyond their costs and breaches.

    Made by :meth:`~optimizer.solve.problem.statement.Statement.of`. The rooms of the solver need only the
    statement; the answers here come from the bound, the search, CP-SAT and the moves curve.
    """

    def improved(self, options: IntArray) -> IntArray:
        """A schedule after single moves that gain, as long as there are any."""
        return improve_single_moves(self.instance, options)

    def with_ties_settled(self, options: IntArray) -> IntArray:
        """A schedule that costs no more, in which VMs of equal costs are back at today's start or at night."""
        return settle_ties(self.instance, options)

    def cheapest_in_stages(
        self, hint: IntArray, stuck: Sequence[int], search: Search, seconds: float | None = None
    ) -> InStages:
        """Cheapest schedule found that has an order of moves; see :mod:`optimizer.solve.exact.stages`."""
        return cheapest_in_stages(self.instance, hint, stuck, search, seconds)

    def service(self, options: IntArray, members: IntArray, seed: int) -> Service:
        """A service of some VMs, which may be spread in a schedule; ``seed`` is the random seed of CP-SAT."""
        return Service(self.instance, options, members, seed)

    def trace_moves(self, solved: Solved, search: Search, progress: Progress = no_progress) -> tuple[CurvePoint, ...]:
        """The moves curve of an answer; see :func:`optimizer.solve.moves.curve.trace_moves`."""
        return trace_moves(self.instance, solved.options, solved.bound, search, progress)

    def gains(self, points: Sequence[tuple[int, float]]) -> Gains:
        """Gains at the points of a moves curve: numbers of moves, ascending, and their costs, descending."""
        return Gains(self.cost(self.instance.today).total, points)

    def fewest_moves_for(self, options: IntArray, share: float) -> FewestMoves | None:
        """About how few moves of a schedule give a share of its gain; None if it gains nothing."""
        return find_knee(self.instance, options, share)

    def price_limits(
        self, options: IntArray, *, num_rounds: int | None = None, seed: int = 0
    ) -> tuple[LimitPrice, ...]:
        """Saving from one more of each binding limit; see :func:`optimizer.solve.why_not.shadow.price_limits`."""
        rounds = DEFAULT_ROUNDS if num_rounds is None else num_rounds
        return price_limits(self.limits, options, num_rounds=rounds, seed=seed)

    def stability(self, solved: Solved, cost: float, tolerance: float) -> Stability:
        """Starts that are proven for every schedule that costs at most ``1 + tolerance`` times the optimum.

        Parameters
        ----------
        solved
            An answer with its multipliers.
        cost
            Cost of its schedule as the plan states it.
        tolerance
            Share above the optimum.
        """
        forced = np.maximum(sharp_forced_bounds(self.instance, solved.multipliers), solved.bound)
        return stable_assignments(cost, forced, solved.options, tolerance)

    def rules_outside_the_bound(self) -> list[str]:
        """Names of rules between sets of VMs whose cost the bound ignores."""
        return rules_without_cut(self.instance)
