"""Input of the verifier: the states before and after a plan, and the figures that the plan states."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optimizer.documents import Change
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory, ProtectedItem
from optimizer.model.rules import Rule, Rules
from optimizer.verifier.under_rules import rules_of, stays

TOLERANCE = 1e-5
"""Relative difference between two figures that counts as rounding."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Figures that a plan states.

    Parameters
    ----------
    cost
        Value of the whole objective.
    overlaps
        Expected number of overlapping snapshots within services, per 30 days, by the probability that has a price.
    exact_overlaps
        The same by the exact probability; None if the plan does not state it.
    working_hours_starts
        Expected number of backups that start in working hours, per 30 days.
    peak
        Largest number of overlapping windows of one service in one half hour.
    bound
        Lower bound, which must not exceed the cost without the spreading costs.
    weighted_overlaps
        Overlaps, each multiplied by the smaller weight of its two VMs; None if no VM has a weight.
    spreading_costs
        Part of the cost that spreads services; never below 0.
    """

    cost: float
    overlaps: float
    working_hours_starts: float
    peak: int
    bound: float = -math.inf
    weighted_overlaps: float | None = None
    spreading_costs: float = 0.0
    exact_overlaps: float | None = None


@dataclass(frozen=True)
class Checked:
    """State before and after a plan, with everything that the verifier needs.

    Parameters
    ----------
    before, after
        Inventory today and after every change of the plan. Both have the same items in the same order.
    rules
        Rules of the plan.
    risk, credit
        Risk table of shape (V, 48), and the share of a gain in risk that counts for each VM, of shape (V,).
    own
        Shape (V,): whether a VM's own history is the evidence. If it is not, its risk must not grow.
    starts
        Length V: starts as ``HH:MM`` that the schedule states.
    changes
        Changes of the plan, in their order.
    moved_on
        Day of the last move of VMs that were moved before, by VM id.
    left
        For a plan that keeps the rules only in part: the number of VMs that, according to the plan, break each rule
        that is broken today. None: every rule must hold.
    """

    before: Inventory
    after: Inventory
    rules: Rules
    risk: npt.NDArray[np.float64]
    credit: npt.NDArray[np.float64]
    own: npt.NDArray[np.bool_]
    starts: Sequence[str]
    changes: Sequence[Change]
    moved_on: Mapping[ArmId, date] = field(default_factory=dict)
    left: Mapping[str, int] | None = None

    @cached_property
    def options(self) -> list[int]:
        """Start option of each VM that the schedule states; length V."""
        return [option_of(text) for text in self.starts]

    @cached_property
    def today(self) -> list[int]:
        """Start option of each VM today; length V."""
        return [self.before.policy(item).start for item in self.before.items]

    @cached_property
    def rules_by_row(self) -> list[list[Rule]]:
        """Rules that apply to each VM; length V."""
        return [rules_of(self.before, self.rules, item) for item in self.before.items]

    def rules_of(self, item: ProtectedItem) -> list[Rule]:
        """Rules that apply to the VM of an item."""
        return rules_of(self.before, self.rules, item)

    def moves(self, row: int) -> bool:
        """Whether the schedule gives a VM another start."""
        return self.options[row] != self.today[row]

    def must_stay(self, row: int) -> bool:
        """Whether a VM is immovable."""
        return stays(self.before.items[row], self.rules_by_row[row])

    def counted_risk(self, row: int) -> float:
        """Risk of a VM: an increase over today counts in full, a decrease only in the share that is credited."""
        before, after = (float(self.risk[row, option]) for option in (self.today[row], self.options[row]))
        return after if after >= before else before - float(self.credit[row]) * (before - after)

    def move_price(self, row: int) -> float:
        """Price of a move of a VM, which is higher if it was moved recently."""
        prices = self.rules.prices
        moved_on = self.moved_on.get(self.before.items[row].vm_id)
        if moved_on is not None and (self.before.as_of.astimezone(UTC).date() - moved_on).days <= prices.recent_days:
            return max(prices.move, prices.move_recent)
        return prices.move


def option_of(text: str) -> int:
    """Start option of a start as ``HH:MM``, worked out without the code that the planner uses."""
    return int(text[:2]) * 2 + int(text[3:]) // 30
