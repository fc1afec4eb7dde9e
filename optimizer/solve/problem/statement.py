"""The problem as arrays with its rules; computes the cost of a schedule and the limits that it breaks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Self

from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import FloatArray, IntArray
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rules
from optimizer.risk import RiskTable
from optimizer.solve.problem.breaches import Breach, BrokenAt, breaches, broken_at, rule_breaches
from optimizer.solve.problem.build import build_instance
from optimizer.solve.problem.cost import Cost, cost_shares, evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.problem.limits import Limits
from optimizer.solve.problem.marginal import Marginals
from optimizer.solve.problem.restrict import Restrictions, restrict_options


class Statement:
    """The problem of a search: an estate under rules, with the risk of every start.

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
        recently_moved: Mapping[ArmId, date] | None = None,
    ) -> Self:
        """Make the problem of an estate.

        Parameters
        ----------
        inventory, table
            The estate, and the risk of every start.
        rules
            What the planner wrote.
        recently_moved
            Day of the last move, by VM id, of the VMs whose move costs the price of a recent move.
        """
        restrictions = restrict_options(inventory, rules, table)
        instance = build_instance(inventory, table, rules, restrictions, recently_moved or {})
        return cls(instance, restrictions, rules)

    @cached_property
    def limits(self) -> Limits:
        """Every limit that a schedule has to keep, as named things."""
        return Limits(self.instance, self.restrictions, self.rules)

    def with_instance(self, instance: Instance) -> Self:
        """The same rules with other arrays."""
        return type(self)(instance, self.restrictions, self.rules)

    def cost(self, options: IntArray) -> Cost:
        """Exact cost of a schedule, with every term."""
        return evaluate(self.instance, options)

    def cost_shares(self, options: IntArray) -> FloatArray:
        """Each VM's part of the cost of a schedule; see :func:`optimizer.solve.problem.cost.cost_shares`."""
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
        """Costs of single VMs at each start while all others keep the starts of a schedule."""
        return Marginals(self.instance, options)
