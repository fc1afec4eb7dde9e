"""The forecast: the probability that a backup scheduled at a UTC time of day finds its VM too busy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from optimizer.engine import SERIAL, Engine
from optimizer.model.rules import Threshold
from optimizer.model.timegrid import Horizon
from optimizer.ports import LoadSource, Progress, no_progress
from optimizer.risk.crossvalidation import DEFAULT_PRIOR_DAYS, CrossValidation, cross_validate
from optimizer.risk.folds import Folds
from optimizer.risk.history import RiskHistory, build_history
from optimizer.risk.repetition import Repetition, look_for_repetition
from optimizer.risk.seasonal import (
    BoolArray,
    FloatArray,
    estimate_season,
    fleet_profile,
    scale_profile,
    share_believed,
)
from optimizer.risk.snapshots import USUAL_GRID, SnapshotGrid

MIN_USABLE_DAYS = 7
"""Minimum number of usable days of history; a VM with fewer gets the fleet's level and profile."""

NOT_LOOKED_FOR = Repetition(None, 0, 0)
"""Repetition of a forecast that does not keep the history it was made from."""


class Evidence(StrEnum):
    """Evidence that the forecast of a VM rests on."""

    OWN_HISTORY = "own history"
    TOO_LITTLE_DATA = "too little data"
    NO_DATA = "no data"


@dataclass(frozen=True)
class Forecast:
    """Probability of being at risk per VM and UTC start time of day.

    Parameters
    ----------
    vm_ids
        Ids of the V VMs, as the caller gave them.
    step_minutes
        Spacing of the start times; start ``i`` is ``i * step_minutes`` after 00:00 UTC.
    probability
        Shape (V, num_starts): probability that the guest is above the threshold during the snapshot of a backup
        scheduled at this time, averaged over the start delays.
    num_days
        Shape (V,): number of usable days of history.
    evidence
        Evidence behind each VM's forecast; V entries.
    prior_days
        Number of days of own history that the fleet's profile is worth: ``k`` times the weight that a fleet of this
        size gets (:func:`optimizer.risk.seasonal.share_believed`).
    validation
        Cross-validation that chose ``k``; None if ``k`` is the default.
    folds
        History of the busy VMs, to judge choices on days that did not influence them; None if it is not kept.
    fold_row
        Shape (V,): row of each VM in ``folds``; -1 for VMs that are never at risk or have too little data.
    repetition
        Whether the profiles of the estate repeat.
    """

    vm_ids: tuple[str, ...]
    step_minutes: int
    probability: FloatArray
    num_days: npt.NDArray[np.int64]
    evidence: tuple[Evidence, ...]
    prior_days: float
    validation: CrossValidation | None = None
    folds: Folds | None = None
    fold_row: npt.NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    repetition: Repetition = NOT_LOOKED_FOR

    def of_rows(self, vm_ids: Sequence[str], rows: npt.NDArray[np.intp]) -> Forecast:
        """Make a forecast of other VMs, each assumed to be as busy as one of these VMs.

        Parameters
        ----------
        vm_ids
            Ids of the other VMs.
        rows
            Shape (len(vm_ids),): row of the VM that each of them resembles.
        """
        return replace(
            self,
            vm_ids=tuple(vm_ids),
            probability=self.probability[rows],
            num_days=self.num_days[rows],
            evidence=tuple(self.evidence[row] for row in rows.tolist()),
            fold_row=self.fold_row[rows] if self.folds is not None else self.fold_row,
        )


def forecast_load(
    source: LoadSource,
    vm_ids: Sequence[str],
    horizon: Horizon,
    threshold: Threshold,
    *,
    grid: SnapshotGrid = USUAL_GRID,
    progress: Progress = no_progress,
    engine: Engine = SERIAL,
) -> Forecast:
    """Forecast from the load that was known when the estate was recorded.

    Parameters
    ----------
    source
        Source of the load.
    vm_ids
        Ids of the VMs to forecast, one row each, in this order.
    horizon
        Period that the forecast is for; the history ends at its ``history_end``.
    threshold
        Load above which a snapshot is at risk.
    grid
        Timing of the snapshots, and spacing of the UTC start times.
    progress
        Called as days are read.
    engine
        Engine that reads and sums up the history. The forecast itself looks at the whole fleet and is made in this
        process.

    Raises
    ------
    DataError
        The threshold is on maxima, and the load has no maxima.
    """
    history = build_history(source, vm_ids, horizon.history_end, threshold, grid, progress, engine=engine)
    return forecast_history(history)


def forecast_history(history: RiskHistory) -> Forecast:
    """Forecast each VM from its own days, shrunk toward the fleet's hours at its own level.

    ``P[v, t] = (n * smooth(F[v])[t] + k * prior[v, t]) / (n + k)``, where ``F`` is the frequency of being at risk over
    ``n`` usable days. ``k`` comes from cross-validation, and gets smaller if the fleet has few busy VMs. In a small
    fleet with a month of history it is 0, so that no VM gets the hours of a few neighbors as its forecast. VMs with
    too little data get the fleet's level and hours.
    """
    risk_sum, day_count = history.total_risk, history.total_days
    num_days = history.usable_days.sum(axis=0, dtype=np.int64)
    evidence = _weigh_evidence(day_count, num_days, history.varies)
    trusted = np.array([kind is Evidence.OWN_HISTORY for kind in evidence], dtype=np.bool_)
    busy = np.flatnonzero(trusted & (risk_sum.max(axis=1, initial=0) > 0))
    folds = Folds(history.of_vms(busy))
    believed = share_believed(len(busy), float(np.median(num_days[busy])) if len(busy) else 0.0)
    validation = cross_validate(folds, believed)
    prior_days = (validation.chosen if validation else DEFAULT_PRIOR_DAYS) * believed

    model = trusted if trusted.any() else day_count.any(axis=1)
    profile = fleet_profile(risk_sum[model], day_count[model])
    season = estimate_season(risk_sum, day_count, num_days, profile)
    probability = season.probability(prior_days)
    fleet_level = season.own[model].mean() if model.any() else 0.0
    probability[~trusted] = scale_profile([fleet_level], profile)
    fold_row = np.full(len(trusted), -1, dtype=np.intp)
    fold_row[busy] = np.arange(len(busy))
    return Forecast(
        vm_ids=history.vm_ids,
        step_minutes=history.grid.step_minutes,
        probability=probability,
        num_days=num_days,
        evidence=evidence,
        prior_days=prior_days,
        validation=validation,
        folds=folds,
        fold_row=fold_row,
        repetition=look_for_repetition(folds),
    )


def _weigh_evidence(
    day_count: npt.NDArray[np.int64], num_days: npt.NDArray[np.int64], varies: BoolArray
) -> tuple[Evidence, ...]:
    """Evidence of each VM: its own history counts if it is long enough and varies (a constant counter is stuck)."""
    any_data = day_count.max(axis=1, initial=0) > 0
    enough = (num_days >= MIN_USABLE_DAYS) & varies
    return tuple(
        Evidence.OWN_HISTORY if own else Evidence.TOO_LITTLE_DATA if some else Evidence.NO_DATA
        for some, own in zip(any_data.tolist(), enough.tolist(), strict=True)
    )
