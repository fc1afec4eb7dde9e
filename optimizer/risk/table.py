"""The cost of each start option of each protected item, in at-risk backups per 30 days."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.model.inventory import Inventory
from optimizer.model.timegrid import (
    HORIZON_DAYS,
    MINUTES_PER_DAY,
    NUM_OPTIONS,
    SLOT_MINUTES,
    Pattern,
    common_start_step,
)
from optimizer.risk.forecast import Evidence, Forecast
from optimizer.risk.seasonal import BoolArray, FloatArray

RISK_DECIMALS = 6
"""Risks are rounded, so that the same plan comes out of machines that differ in the last bits."""


@dataclass(frozen=True)
class RiskTable:
    """Risk of every start option of every scheduled item; row ``v`` is ``inventory.items[v]``.

    Parameters
    ----------
    risk
        Shape (V, 48): at-risk backups per 30 days if the item's policy started at option ``t`` of its own zone.
    today
        Shape (V,): the same at today's start.
    credited
        Shape (V,): whether a gain in risk may be claimed for the VM; only where its own history is the evidence.
    """

    risk: FloatArray
    today: FloatArray
    credited: BoolArray

    @property
    def allowed(self) -> BoolArray:
        """Shape (V, 48): options that evidence allows; a VM without its own may go nowhere that looks worse."""
        return np.asarray(self.credited[:, None] | (self.risk <= self.today[:, None]))

    @property
    def cost(self) -> FloatArray:
        """Shape (V, 48): risk as the objective counts it; a VM without credit gains nothing by moving."""
        return np.where(self.credited[:, None], self.risk, np.maximum(self.risk, self.today[:, None]))


def start_step(inventory: Inventory) -> int:
    """Spacing in minutes of the UTC start times that the inventory's zones need: 30, 15 or 5."""
    policies = (inventory.policy(item) for item in inventory.items)
    patterns = {policy.pattern(inventory.horizon) for policy in policies}
    return common_start_step(offset for pattern in patterns for offset in pattern.offsets)


def risk_table(inventory: Inventory, forecast: Forecast, *, agentless_at_risk: bool = False) -> RiskTable:
    """Sum a forecast over the runs of a typical week: ``risk[v, t] = 30 / 7 * sum over runs of P[v, start of run]``.

    In zones that change their clocks the worse of the offsets counts.

    Parameters
    ----------
    inventory
        The items, one row each.
    forecast
        Has every VM of the items and a spacing of starts that their zones can use (:func:`start_step`).
    agentless_at_risk
        Whether load puts agentless snapshots at risk.  By default the risk of their VMs is 0 at every start: the
        host takes these snapshots without the guest.

    Raises
    ------
    ValueError
        The forecast lacks a VM or is too coarse for a zone.
    """
    row_of = {vm_id.lower(): row for row, vm_id in enumerate(forecast.vm_ids)}
    missing = [item.vm_id for item in inventory.items if item.vm_id.lower() not in row_of]
    if missing:
        raise ValueError(f"the forecast lacks {len(missing)} VMs of the inventory, the first is {missing[0]!r}")
    rows = np.array([row_of[item.vm_id.lower()] for item in inventory.items], dtype=np.intp)
    risk = np.zeros((len(rows), NUM_OPTIONS))
    for pattern, members in _items_by_pattern(inventory).items():
        risk[members] = _pattern_risk(forecast.probability[rows[members]], pattern, forecast.step_minutes)
    if not agentless_at_risk:
        risk[[inventory.policy(item).is_agentless for item in inventory.items]] = 0.0
    starts = np.array([inventory.policy(item).start for item in inventory.items], dtype=np.intp)
    own = np.array([kind is Evidence.OWN_HISTORY for kind in forecast.evidence], dtype=np.bool_)
    risk = risk.round(RISK_DECIMALS)
    return RiskTable(risk, today=risk[np.arange(len(rows)), starts], credited=own[rows])


def _items_by_pattern(inventory: Inventory) -> dict[Pattern, npt.NDArray[np.intp]]:
    by_pattern: defaultdict[Pattern, list[int]] = defaultdict(list)
    for key, members in inventory.items_by_policy.items():
        if members:
            by_pattern[inventory.policies[key].pattern(inventory.horizon)].extend(members)
    return {pattern: np.array(members, dtype=np.intp) for pattern, members in by_pattern.items()}


def _pattern_risk(probability: FloatArray, pattern: Pattern, step_minutes: int) -> FloatArray:
    """Risk of each option, the worst over the zone's offsets; shape (V, 48)."""
    if any(offset % step_minutes for offset in pattern.offsets):
        raise ValueError(
            f"a forecast every {step_minutes} minutes is too coarse for offsets of {pattern.offsets} minutes"
        )
    options = np.arange(NUM_OPTIONS) * SLOT_MINUTES
    worst = np.zeros((len(probability), NUM_OPTIONS))
    for offset in pattern.offsets:
        weekly = np.zeros_like(worst)
        for run in pattern.recurrence.runs_after_start:
            starts = (options + run - offset) % MINUTES_PER_DAY // step_minutes
            weekly += len(pattern.recurrence.weekdays) * probability[:, starts]
        np.maximum(worst, weekly, out=worst)
    return worst * (HORIZON_DAYS / 7)
