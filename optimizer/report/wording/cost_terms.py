"""Terms of the cost of a schedule, as tables name them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optimizer.whatif import Figures


@dataclass(frozen=True, slots=True)
class CostTerm:
    """A term of the cost.

    Parameters
    ----------
    name
        Name in a list of terms.
    short
        Name that fits above a narrow column.
    value
        Returns the term of a schedule, in at-risk backups per 30 days.
    """

    name: str
    short: str
    value: Callable[[Figures], float]


COST_TERMS = (
    CostTerm("risk", "risk", lambda figures: figures.cost.risk),
    CostTerm("overlaps", "overlaps", lambda figures: figures.cost.overlap),
    CostTerm("vault peak", "vault", lambda figures: figures.cost.vault_peak),
    CostTerm("working hours", "hours", lambda figures: figures.cost.working_hours),
    CostTerm("policy writes", "writes", lambda figures: figures.cost.policy_writes),
    CostTerm("moves", "moves", lambda figures: figures.cost.moves),
)
"""All terms, in the order of the tables."""
