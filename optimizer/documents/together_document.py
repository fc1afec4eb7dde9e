"""Services whose start windows overlap: the data that plans and audits share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from optimizer.model.strict import StrictModel

SpreadingVerdict = Literal["priced", "over a limit", "impossible", "not found", "not priced"]

WORTH_A_NOTE = 0.005
"""Cost from which texts mention what spreading services costs: they round it to 0.01."""


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
        The first half hour of the UTC week in which that many of its start windows overlap, such as ``Monday 23:30``.
    overlaps_per_month
        Expected overlapping snapshots per 30 days.
    overlaps_cost
        What these cost in the objective, in at-risk backups per 30 days.
    spreading
        ``priced``: ``spreading_costs`` is the price. ``over a limit``: the same, but ``max_moves``,
        ``max_policy_writes`` or ``budget_days`` leaves no room for it. ``impossible``: it is proven that the rules
        leave no way to spread the service. ``not found``: no way was found within the work limit, and it is not
        proven impossible. ``not priced``: the service has more than 5 VMs and only some of its windows
        overlap, or 20 services before it were priced.
    spreading_costs
        Price of the cheapest way to spread the service, in at-risk backups per 30 days: what it costs in risk,
        working hours, vault peaks, policy writes and moves, with all other VMs where they are. Either every two of
        its VMs start at least two hours apart, or, where all of its windows overlap, they no longer do.
    spreading_proven
        Whether it is proven that no way to spread the service costs less than ``spreading_costs``.
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
    spreading_proven: Annotated[bool, Field(exclude_if=lambda proven: proven)] = True
