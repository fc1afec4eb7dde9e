"""Cost of each start option of each protected item, in at-risk backups per 30 days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.timegrid import NUM_OPTIONS, common_start_step
from optimizer.risk.credit import credit_items
from optimizer.risk.forecast import Evidence, Forecast
from optimizer.risk.options import RISK_DECIMALS, IntArray, OptionRuns, by_pattern
from optimizer.risk.seasonal import BoolArray, FloatArray
from optimizer.risk.snapshots import SnapshotGrid

LEAST_COUNTED = 0.001
"""Share of an uncredited gain in risk that still counts, in an estate whose busy hours repeat.

It is too small to pay for a move, but it breaks ties: among equally good starts, the one that looks better is chosen.
"""


@dataclass(frozen=True)
class RiskTable:
    """Risk of every start option of every scheduled item; row ``v`` belongs to ``inventory.items[v]``.

    Parameters
    ----------
    risk
        Shape (V, 48): at-risk backups per 30 days if the item's policy started at option ``t`` in its own time zone.
    today
        Shape (V,): at-risk backups per 30 days at today's start.
    credit
        Shape (V,): share of a gain in risk that is believed, from 0 (nothing) to 1; see
        :func:`optimizer.risk.credit.believe_gains`.
    own
        Shape (V,): whether the estimate rests on the VM's own history. If not, ``credit`` is 0.
    repeats
        Whether the busy hours of the estate are proven to repeat. If they are not, a start that looks better is only
        noise, and a gain that is not credited does not even break ties.
    """

    risk: FloatArray
    today: FloatArray
    credit: FloatArray
    own: BoolArray
    repeats: bool = True

    @property
    def credited(self) -> BoolArray:
        """Whether any part of a gain in risk is believed; shape (V,)."""
        return np.asarray(self.credit > 0)

    @property
    def allowed(self) -> BoolArray:
        """Options that the evidence allows; shape (V, 48).

        A VM without evidence of its own may not move to a start that looks worse. For all other VMs, credited or not,
        the increase is estimated from their own history: it counts in full, and `max_risk_increase` limits it.
        """
        return np.asarray(self.own[:, None] | (self.risk <= self.today[:, None]))

    @property
    def reported(self) -> FloatArray:
        """Risk as reports state it; shape (V, 48).

        This is the plain estimate, except that a VM without evidence of its own shows no gain. The objective counts
        less than these gains (:attr:`cost`), and a plan promises `expected_change` instead.
        """
        return np.where(self.own[:, None], self.risk, np.maximum(self.risk, self.today[:, None]))

    @property
    def counted(self) -> FloatArray:
        """Share of a gain in risk that the objective counts; shape (V,)."""
        return np.where(self.own & self.repeats, np.maximum(self.credit, LEAST_COUNTED), self.credit)

    @property
    def cost(self) -> FloatArray:
        """Risk as the objective counts it; shape (V, 48).

        Only a share of a gain counts (:attr:`counted`); an increase counts in full.
        """
        gain = np.maximum(self.today[:, None] - self.risk, 0.0)
        return (self.risk + (1 - self.counted[:, None]) * gain).round(RISK_DECIMALS)


def start_step(inventory: Inventory) -> int:
    """Spacing, in minutes, of the UTC start times that the inventory's time zones need: 30, 15 or 5."""
    policies = (inventory.policy(item) for item in inventory.items)
    patterns = {inventory.pattern(policy) for policy in policies}
    return common_start_step(offset for pattern in patterns for offset in pattern.offsets)


def snapshot_grid(inventory: Inventory) -> SnapshotGrid:
    """Snapshots of each item, for a forecast with one row per item in the order of the inventory."""
    timings = tuple(inventory.timing(item) for item in inventory.items)
    return SnapshotGrid(timings[:1] if len(set(timings)) == 1 else timings, start_step(inventory))


def risk_table(inventory: Inventory, forecast: Forecast, *, agentless_at_risk: bool = False) -> RiskTable:
    """Sum a forecast over the runs of a typical week: ``risk[v, t] = 30 / 7 * sum over runs of P[v, start of run]``.

    In time zones with daylight saving, the worse of the UTC offsets counts.

    Parameters
    ----------
    inventory
        The items, one row each.
    forecast
        Forecast that covers the VM of every item, with a spacing of starts that suits their time zones
        (:func:`start_step`).
    agentless_at_risk
        Whether load puts agentless snapshots at risk. By default it does not, and the risk of these VMs is 0 at every
        start: the host takes such snapshots without the guest.

    Raises
    ------
    ValueError
        The forecast lacks a VM, or its spacing is too coarse for a time zone.
    """
    rows = forecast_rows(inventory, forecast)
    risk = np.zeros((len(rows), NUM_OPTIONS))
    for pattern, members in by_pattern(inventory, np.arange(len(rows))).items():
        runs = OptionRuns.of(pattern, forecast.step_minutes)
        risk[members] = runs.expected(forecast.probability[rows[members]])
    agentless = np.array([inventory.policy(item).is_agentless for item in inventory.items], dtype=np.bool_)
    if not agentless_at_risk:
        risk[agentless] = 0.0
    starts = np.array([inventory.policy(item).start for item in inventory.items], dtype=np.intp)
    own = np.array([kind is Evidence.OWN_HISTORY for kind in forecast.evidence], dtype=np.bool_)[rows]
    risk = risk.round(RISK_DECIMALS)
    # A VM that is never at risk is not busy. It keeps credit 1: its own history shows no risk at any start.
    credit = own.astype(np.float64)
    if forecast.folds is not None and forecast.folds.enough:
        items = busy_items(inventory, forecast, agentless_at_risk=agentless_at_risk)
        credit[items] = credit_items(
            inventory,
            forecast.folds,
            forecast.fold_row[rows],
            items,
            step_minutes=forecast.step_minutes,
            prior_days=forecast.prior_days,
            repeats=forecast.repetition.is_proven,
        )
    return RiskTable(risk, risk[np.arange(len(rows)), starts], credit, own, forecast.repetition.is_proven)


def forecast_rows(inventory: Inventory, forecast: Forecast) -> IntArray:
    """Row in the forecast of each item's VM; shape (V,)."""
    row_of = {ArmId(vm_id): row for row, vm_id in enumerate(forecast.vm_ids)}
    missing = [item.vm_id for item in inventory.items if item.vm_id not in row_of]
    if missing:
        raise ValueError(f"the forecast lacks {len(missing)} VMs of the inventory, the first is {missing[0]!r}")
    return np.array([row_of[item.vm_id] for item in inventory.items], dtype=np.intp)


def busy_items(inventory: Inventory, forecast: Forecast, *, agentless_at_risk: bool = False) -> IntArray:
    """Rows of the items that are ever at risk, so that their risk can be estimated without a block of the history."""
    rows = forecast_rows(inventory, forecast)
    busy = forecast.fold_row[rows] >= 0
    if not agentless_at_risk:
        busy &= ~np.array([inventory.policy(item).is_agentless for item in inventory.items], dtype=np.bool_)
    return np.flatnonzero(busy)
