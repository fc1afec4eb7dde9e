"""The problem as other packages see it: what a schedule costs, what it breaks, and what could be better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property

import numpy as np

from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import FloatArray, IntArray
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.ports import Progress, no_progress
from optimizer.risk.table import RiskTable
from optimizer.solve.breaches import Breach, breaches, rule_breaches
from optimizer.solve.build import build_instance
from optimizer.solve.cost import Cost, cost_shares, evaluate, is_feasible
from optimizer.solve.cuts import rules_without_cut
from optimizer.solve.forced import sharp_forced_bounds
from optimizer.solve.instance import Instance
from optimizer.solve.limits import Limits
from optimizer.solve.marginal import Marginals
from optimizer.solve.moves.curve import CurvePoint, trace_moves
from optimizer.solve.moves.gains import Gains
from optimizer.solve.moves.knee import Knee, find_knee
from optimizer.solve.restrict import Restrictions, restrict_options
from optimizer.solve.search import improve_single_moves, settle_ties
from optimizer.solve.search_settings import Search
from optimizer.solve.solved import Solved
from optimizer.solve.spreading import Service
from optimizer.solve.stable import Stability, stable_assignments
from optimizer.solve.stages import InStages, cheapest_in_stages
from optimizer.solve.toward import BrokenAt, broken_at
from optimizer.solve.why_not.shadow import DEFAULT_ROUNDS, LimitPrice, price_limits


class Problem:
    """An estate under rules, with the risk of every start: what a schedule is searched for.

    Schedules are arrays of shape (V,) with the start option of each VM.

    Parameters
    ----------
    instance, restrictions
        The problem as arrays, and which rule or limit forbids which options.
    rules
        What the planner wrote.
    """

    def __init__(self, instance: Instance, restrictions: Restrictions, rules: Rules) -> None:
        self.instance, self.restrictions, self.rules = instance, restrictions, rules

    @classmethod
    def of(
        cls,
        inventory: Inventory,
        table: RiskTable,
        rules: Rules,
        snapshot_minutes: int,
        recently_moved: Mapping[ArmId, date] | None = None,
    ) -> Problem:
        """Make the problem of an estate.

        Parameters
        ----------
        inventory, table
            The estate, and the risk of every start.
        rules
            What the planner wrote.
        snapshot_minutes
            Length of the snapshot at the end of a start window, in minutes.
        recently_moved
            Day of the last move, by VM id, of the VMs whose move costs the price of a recent move.
        """
        restrictions = restrict_options(inventory, rules, table, snapshot_minutes)
        instance = build_instance(inventory, table, rules, restrictions, snapshot_minutes, recently_moved or {})
        return cls(instance, restrictions, rules)

    @cached_property
    def limits(self) -> Limits:
        """Every limit that a schedule has to keep, as named things."""
        return Limits(self.instance, self.restrictions, self.rules)

    def with_instance(self, instance: Instance) -> Problem:
        """The same rules with other arrays."""
        return Problem(instance, self.restrictions, self.rules)

    def cost(self, options: IntArray) -> Cost:
        """Exact cost of a schedule, with every term."""
        return evaluate(self.instance, options)

    def cost_shares(self, options: IntArray) -> FloatArray:
        """Each VM's part of the cost of a schedule; see :func:`optimizer.solve.cost.cost_shares`."""
        return cost_shares(self.instance, options)

    def is_kept_by(self, options: IntArray) -> bool:
        """Whether a schedule keeps every limit."""
        return is_feasible(self.instance, options)

    def breaches(self, options: IntArray) -> tuple[Breach, ...]:
        """Everything that a schedule breaks; empty if it keeps every limit."""
        return breaches(self.limits, options)

    def rule_breaches(self, options: IntArray) -> tuple[Breach, ...]:
        """Rules that a schedule breaks at some VMs."""
        return rule_breaches(self.limits, options)

    def broken_at(self, options: IntArray) -> set[BrokenAt]:
        """Rules that a schedule breaks, each with a movable VM that breaks it."""
        return broken_at(self.limits, options)

    def marginals(self, options: IntArray) -> Marginals:
        """Costs of single VMs at each start, with all others where a schedule puts them."""
        return Marginals(self.instance, options)

    def improved(self, options: IntArray) -> IntArray:
        """A schedule after single moves that gain, as long as there are any."""
        return improve_single_moves(self.instance, options)

    def with_ties_settled(self, options: IntArray) -> IntArray:
        """A schedule that costs no more, in which VMs of equal costs are back at today's start or at night."""
        return settle_ties(self.instance, options)

    def in_stages(
        self, hint: IntArray, stuck: Sequence[int], search: Search, seconds: float | None = None
    ) -> InStages:
        """Cheapest schedule found that has an order of moves; see :mod:`optimizer.solve.stages`."""
        return cheapest_in_stages(self.instance, hint, stuck, search, seconds)

    def service(self, options: IntArray, members: IntArray, seed: int) -> Service:
        """A service of some VMs, which may be spread in a schedule; ``seed`` is the random seed of CP-SAT."""
        return Service(self.instance, options, members, seed)

    def trace_moves(self, solved: Solved, search: Search, progress: Progress = no_progress) -> tuple[CurvePoint, ...]:
        """The moves curve of an answer; see :func:`optimizer.solve.moves.curve.trace_moves`."""
        return trace_moves(self.instance, solved.options, solved.bound, search, progress)

    def gains(self, points: Sequence[tuple[int, float]]) -> Gains:
        """What the points of a moves curve gain, given as numbers of moves, ascending, with their costs, falling."""
        return Gains(self.cost(self.instance.today).total, points)

    def fewest_moves_for(self, options: IntArray, share: float) -> Knee | None:
        """About how few moves of a schedule give a share of its gain; None if it gains nothing."""
        return find_knee(self.instance, options, share)

    def price_limits(
        self, options: IntArray, *, num_rounds: int | None = None, seed: int = 0
    ) -> tuple[LimitPrice, ...]:
        """What one more of each binding limit would save; see :func:`optimizer.solve.why_not.shadow.price_limits`."""
        rounds = DEFAULT_ROUNDS if num_rounds is None else num_rounds
        return price_limits(self.limits, options, num_rounds=rounds, seed=seed)

    def stability(self, solved: Solved, cost: float, tolerance: float) -> Stability:
        """What the bound shows about every schedule that costs at most ``1 + tolerance`` times the optimum.

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
