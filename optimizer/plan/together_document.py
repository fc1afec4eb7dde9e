"""Services with VMs that are backed up at once: the shape that plans and audits share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from optimizer.model.strict import StrictModel

SpreadingVerdict = Literal["priced", "over a limit", "impossible", "not priced"]


class ServiceTogether(StrictModel):
    """A service of two or more VMs whose start windows overlap, all of them or some.

    Parameters
    ----------
    vms
        Number of its VMs.
    same_start
        Whether all of them start in the same half hour.
    at_once
        Largest number of its VMs whose start windows overlap in one half hour; None if these are all of its VMs.
    at
        The first half hour of the UTC week in which so many of its start windows overlap, such as ``Monday 23:30``.
    overlaps_per_month
        Expected overlapping snapshots per 30 days.
    overlaps_cost
        What these cost in the objective, in at-risk backups per 30 days.
    spreading
        ``priced``: ``spreading_costs`` says it.  ``over a limit``: the same, but ``max_moves``, ``max_policy_writes``
        or ``budget_days`` leave no room for it.  ``impossible``: the rules leave no starts at which no two of its
        snapshots overlap.  ``not priced``: the service is not among those that were looked at.
    spreading_costs
        What it would cost in risk, working hours, vault peaks, policy writes and moves to start its VMs so far apart
        that no two of its snapshots overlap, all other VMs where they are, in at-risk backups per 30 days.
    """

    service: str
    vms: int
    same_start: bool
    at_once: Annotated[int | None, Field(exclude_if=lambda count: count is None)] = None
    at: str
    overlaps_per_month: float
    overlaps_cost: float
    spreading: SpreadingVerdict
    spreading_costs: float | None
