"""Risk of start options as observed in the history, without any model."""

from __future__ import annotations

import numpy as np

from optimizer.model.inventory import Inventory
from optimizer.model.timegrid import NUM_OPTIONS
from optimizer.risk.forecast import Evidence, Forecast
from optimizer.risk.options import OptionRuns, by_pattern
from optimizer.risk.seasonal import FloatArray, divide_known
from optimizer.risk.table import busy_items, forecast_rows


def observed_risk(inventory: Inventory, forecast: Forecast, *, agentless_at_risk: bool = False) -> FloatArray:
    """Observed frequencies per start option, neither smoothed over the hours nor shrunk toward the fleet.

    In time zones with daylight saving, the result is the mean over both UTC offsets.

    Parameters
    ----------
    inventory, forecast
        The items, and the forecast made for them.
    agentless_at_risk
        Whether load puts agentless snapshots at risk; see :func:`optimizer.risk.table.risk_table`.

    Returns
    -------
    numpy.ndarray
        Shape (V, 48): at-risk backups per 30 days; NaN if the history has no data for them.
    """
    rows = forecast_rows(inventory, forecast)
    own = np.array([kind is Evidence.OWN_HISTORY for kind in forecast.evidence], dtype=np.bool_)[rows]
    if forecast.folds is None:
        return np.full((len(rows), NUM_OPTIONS), np.nan)
    # VMs with enough history that are not in the folds were never at risk.
    observed = np.where(own[:, None], np.zeros((len(rows), NUM_OPTIONS)), np.nan)
    history, fold_row = forecast.folds.history, forecast.fold_row[rows]
    rates = divide_known(history.total_risk, history.total_days)
    for pattern, members in by_pattern(
        inventory, busy_items(inventory, forecast, agentless_at_risk=agentless_at_risk)
    ).items():
        observed[members] = OptionRuns.of(pattern, forecast.step_minutes).observed(rates[fold_row[members]])
    return observed
