"""Observed risk: plain frequencies of the history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from optimizer.model.inventory import Inventory
from optimizer.risk.forecast import Evidence, Forecast, forecast_history
from optimizer.risk.observed import observed_risk
from optimizer.risk.table import RiskTable, risk_table
from tests.benchmarks.promise_coverage import as_history
from tests.benchmarks.spreading import made_up_inventory

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)


def estate(days: np.ndarray, today: int) -> tuple[Inventory, Forecast, RiskTable]:
    """Daily backups in UTC, all at one time, with days of shape (days, V, 48) of history."""
    forecast = forecast_history(as_history(days))
    inventory = made_up_inventory(forecast.vm_ids, np.full(days.shape[1], today), 0, AS_OF)
    return inventory, forecast, risk_table(inventory, forecast)


def nightly(num_vms: int) -> np.ndarray:
    """A month in which every VM is at risk at midnight on nine nights out of ten, and never else."""
    days = np.zeros((30, num_vms, 48))
    days[np.random.default_rng(3).random((30, num_vms)) < 0.9, 0] = 1.0
    return days


def test_observed_risk_is_neither_smoothed_nor_borrowed() -> None:
    """Plain frequencies; 0 for VMs that are never at risk, unknown for those without enough history."""
    days = np.concatenate([nightly(3), np.zeros((30, 1, 48))], axis=1)
    days[:, 2] = 0
    days[:, 2, 44] = 1.0  # two hours before midnight: smoothing spills into it
    inventory, forecast, table = estate(days, today=0)
    observed = observed_risk(inventory, forecast)
    np.testing.assert_allclose(observed, 30 * days.mean(axis=0), atol=1e-5)
    assert observed[2, 0] == 0 < table.today[2]
    evidence = (*forecast.evidence[:3], Evidence.TOO_LITTLE_DATA)
    assert np.isnan(observed_risk(inventory, replace(forecast, evidence=evidence))[3]).all()
    assert np.isnan(observed_risk(inventory, replace(forecast, folds=None))).all()


def test_a_start_without_data_is_unknown() -> None:
    """Hours that the history does not know are NaN, and the others keep their frequencies."""
    inventory, forecast, _ = estate(nightly(2), today=0)
    assert forecast.folds is not None
    history = forecast.folds.history
    counts = history.day_count.copy()
    counts[:, :, 30] = 0
    folds = type(forecast.folds)(replace(history, day_count=counts))
    observed = observed_risk(inventory, replace(forecast, folds=folds))
    assert np.isnan(observed[:, 30]).all()
    assert not np.isnan(observed[:, :30]).any()
