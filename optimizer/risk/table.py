"""The cost of each start option of each protected item, in at-risk backups per 30 days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.inventory import Inventory
from optimizer.model.timegrid import NUM_OPTIONS, common_start_step
from optimizer.risk.credit import credit_items
from optimizer.risk.forecast import Evidence, Forecast
from optimizer.risk.options import RISK_DECIMALS, IntArray, OptionRuns, by_pattern
from optimizer.risk.seasonal import BoolArray, FloatArray

LEAST_COUNTED = 0.001
"""Share of a gain in risk that counts although it is not credited, in an estate whose busy hours repeat.

It pays for no move, but of starts that are as good as each other, the one that looks better is taken.
"""


@dataclass(frozen=True)
class RiskTable:
    """Risk of every start option of every scheduled item; row ``v`` is ``inventory.items[v]``.

    Parameters
    ----------
    risk
        Shape (V, 48): at-risk backups per 30 days if the item's policy started at option ``t`` of its own zone.
    today
        Shape (V,): the same at today's start.
    credit
        Shape (V,): share of a gain in risk that is believed, from 0 (none) to 1; see
        :func:`optimizer.risk.credit.believe_gains`.
    own
        Shape (V,): whether the VM's own history is the evidence; without it, ``credit`` is 0.
    repeats
        Whether the busy hours of the estate are proven to repeat.  If they are not, what looks better is noise, and
        a gain that is not credited does not even decide between starts that are as good as each other.
    """

    risk: FloatArray
    today: FloatArray
    credit: FloatArray
    own: BoolArray
    repeats: bool = True

    @property
    def credited(self) -> BoolArray:
        """Shape (V,): whether any gain in risk is believed."""
        return np.asarray(self.credit > 0)

    @property
    def allowed(self) -> BoolArray:
        """Shape (V, 48): options that evidence allows.

        A VM without its own evidence may go nowhere that looks worse.  Of all others, whether credited or not, the
        increase is estimated from their own history: it counts whole, and `max_risk_increase` limits it.
        """
        return np.asarray(self.own[:, None] | (self.risk <= self.today[:, None]))

    @property
    def reported(self) -> FloatArray:
        """Shape (V, 48): risk as figures for people state it.

        The plain estimate, but no gain for a VM without evidence of its own.  The objective credits less than these
        gains (:attr:`cost`), and what a plan promises is `expected_change`.
        """
        return np.where(self.own[:, None], self.risk, np.maximum(self.risk, self.today[:, None]))

    @property
    def counted(self) -> FloatArray:
        """Shape (V,): share of a gain in risk that the objective counts."""
        return np.where(self.own & self.repeats, np.maximum(self.credit, LEAST_COUNTED), self.credit)

    @property
    def cost(self) -> FloatArray:
        """Shape (V, 48): risk as the objective counts it.

        Of a gain, only a share counts (:attr:`counted`); an increase counts whole.
        """
        gain = np.maximum(self.today[:, None] - self.risk, 0.0)
        return (self.risk + (1 - self.counted[:, None]) * gain).round(RISK_DECIMALS)


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
    # A VM without any risk has nothing to be believed: its own history says so, at every start.
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
    """Row in a forecast of the VM of each item; shape (V,).

    Raises
    ------
    ValueError
        The forecast lacks a VM.
    """
    row_of = {vm_id.lower(): row for row, vm_id in enumerate(forecast.vm_ids)}
    missing = [item.vm_id for item in inventory.items if item.vm_id.lower() not in row_of]
    if missing:
        raise ValueError(f"the forecast lacks {len(missing)} VMs of the inventory, the first is {missing[0]!r}")
    return np.array([row_of[item.vm_id.lower()] for item in inventory.items], dtype=np.intp)


def busy_items(inventory: Inventory, forecast: Forecast, *, agentless_at_risk: bool = False) -> IntArray:
    """Rows of the items whose risk can be estimated without a block of the history: those that are ever at risk."""
    rows = forecast_rows(inventory, forecast)
    busy = forecast.fold_row[rows] >= 0
    if not agentless_at_risk:
        busy &= ~np.array([inventory.policy(item).is_agentless for item in inventory.items], dtype=np.bool_)
    return np.flatnonzero(busy)
