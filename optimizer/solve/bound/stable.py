"""Starts that are the same in every good schedule, as far as bounds decide it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from optimizer.model.arrays import BoolArray, FloatArray, IntArray


class Verdict(StrEnum):
    """Verdict of the bound on an option of a VM, for all schedules within the tolerance of the optimum."""

    FIXED = "fixed"
    EXCLUDED = "excluded"
    NOT_DECIDED = "not decided"


@dataclass(frozen=True, slots=True)
class Stability:
    """Starts that are proven or excluded for every schedule whose cost is within the tolerance of the optimum.

    Parameters
    ----------
    tolerance
        Tolerance as a share of the optimum.
    limit
        Maximum cost of a schedule within the tolerance: ``(1 + tolerance) * cost of the plan``.
    possible
        Shape (V, 48): options that are not excluded; such a schedule has each VM at one of them.
    options
        Shape (V,): start options of the plan.
    """

    tolerance: float
    limit: float
    possible: BoolArray
    options: IntArray

    @property
    def fixed(self) -> BoolArray:
        """VMs that are at the plan's option in every such schedule; shape (V,)."""
        return np.asarray(self.possible.sum(axis=1) == 1)

    def verdict(self, v: int, t: int) -> Verdict:
        """Verdict on VM ``v`` at option ``t``."""
        if not self.possible[v, t]:
            return Verdict.EXCLUDED
        return Verdict.FIXED if self.fixed[v] else Verdict.NOT_DECIDED


def stable_assignments(cost: float, forced: FloatArray, options: IntArray, tolerance: float = 0.01) -> Stability:
    """Decide by bounds which starts are the same in every schedule within a tolerance of the optimum.

    The optimum is at most the plan's cost, so a schedule that costs at most ``1 + tolerance`` times the optimum costs
    at most ``limit = (1 + tolerance) * cost``. An option with a higher forced bound is in none of these schedules. A
    VM with one option left is at this option in all of them; it is the plan's option, because no bound is above the
    plan's own cost. The larger the gap between plan and bound, the less is decided: "not decided" does not mean that
    the start changes.

    Parameters
    ----------
    cost
        Cost of the plan, not negative, in at-risk backups per 30 days.
    forced
        Shape (V, 48): lower bound on the cost of every feasible schedule with the VM at the option.
    options
        Shape (V,): start options of the plan, which is feasible.
    tolerance
        Tolerance as a share of the optimum, not negative.

    Raises
    ------
    ValueError
        The forced bound of one of the plan's own options is above the plan's cost, so it is not a bound; or an
        argument is negative.
    """
    if cost < 0 or tolerance < 0:
        raise ValueError(f"cost and tolerance must not be negative: {cost}, {tolerance}")
    own = forced[np.arange(len(options)), options]
    if (own > cost + 1e-6 * (1 + cost)).any():
        v = int(np.argmax(own))
        raise ValueError(f"the bound {own[v]} of VM {v} at its own option {options[v]} is above the cost {cost}")
    limit = (1 + tolerance) * cost
    possible = forced <= limit + 1e-9 * (1 + cost)
    possible[np.arange(len(options)), options] = True
    return Stability(tolerance, limit, possible, options)
