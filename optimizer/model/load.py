"""Load of VMs in 5-minute bins of a UTC day, as an estate stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from optimizer.model.arm_id import ArmId
from optimizer.model.timegrid import BINS_PER_DAY

FloatArray = npt.NDArray[np.float32]

RUNNING, STOPPED, UNKNOWN = 1, 0, -1
"""Values of :attr:`DayLoad.running`: running, off, and unknown."""


Metric = Literal["cpu_percent", "mem_percent", "cpu_max", "mem_max", "running"]

FLOAT_METRICS: tuple[Metric, ...] = ("cpu_percent", "mem_percent", "cpu_max", "mem_max")
METRICS: tuple[Metric, ...] = (*FLOAT_METRICS, "running")

Values = npt.NDArray[np.float32] | npt.NDArray[np.int8]
Arrays = Mapping[Metric, Values] | Mapping[str, Values]
"""Values of each metric, shape (V, 288)."""


@dataclass(frozen=True, slots=True)
class DayLoad:
    """Load of some VMs on one UTC day.

    Parameters
    ----------
    date
        UTC day of the load.
    vm_ids
        VM ids, length V, sorted and unique.
    cpu_percent, mem_percent
        Mean of each 5-minute bin in percent, shape (V, 288); NaN where unknown.
    cpu_max, mem_max
        Maximum of each 5-minute bin, as above; None if the source has no maxima.
    running
        Power state of each bin, shape (V, 288), int8: 1 running, 0 known to be off, -1 unknown. None if the source has
        no power states.
    """

    date: date
    vm_ids: tuple[ArmId, ...]
    cpu_percent: FloatArray
    mem_percent: FloatArray
    cpu_max: FloatArray | None = None
    mem_max: FloatArray | None = None
    running: npt.NDArray[np.int8] | None = None

    def stated(self) -> dict[Metric, Values]:
        """Values of the metrics that the source has, shape (V, 288)."""
        values: dict[Metric, Values | None] = {metric: getattr(self, metric) for metric in METRICS}
        return {metric: array for metric, array in values.items() if array is not None}


def to_day(day: date, vm_ids: tuple[ArmId, ...], arrays: Arrays) -> DayLoad:
    """Load of a day; a required metric that no part has is unknown in every bin."""
    unknown = np.full((len(vm_ids), BINS_PER_DAY), np.nan, dtype=np.float32)
    metrics: dict[str, Any] = {"cpu_percent": unknown, "mem_percent": unknown}
    return DayLoad(day, vm_ids, **metrics | {str(metric): values for metric, values in arrays.items()})


def is_unknown(metric: str, values: npt.NDArray[np.float32] | npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
    """Whether each bin of a metric is unknown."""
    return values < 0 if metric == "running" else np.isnan(values)


def blank(metric: str, num_vms: int) -> npt.NDArray[np.float32] | npt.NDArray[np.int8]:
    """Array of shape (num_vms, 288) in which every bin is unknown."""
    if metric == "running":
        return np.full((num_vms, BINS_PER_DAY), -1, dtype=np.int8)
    return np.full((num_vms, BINS_PER_DAY), np.nan, dtype=np.float32)


def merge_days(days: list[DayLoad]) -> DayLoad:
    """Merge several loads of one day: each fills in bins that the earlier ones do not know.

    Parameters
    ----------
    days
        Loads of the same day, at least one, without contradictions (the import ensures this).
    """
    if len(days) == 1:
        return days[0]
    vm_ids = tuple(sorted(set().union(*(day.vm_ids for day in days)), key=str))
    index = {vm: row for row, vm in enumerate(vm_ids)}
    merged: dict[Metric, Values] = {}
    for day in days:
        rows = np.array([index[vm] for vm in day.vm_ids], dtype=np.int64)
        for metric, values in day.stated().items():
            target = merged.setdefault(metric, blank(metric, len(vm_ids)))
            old = target[rows]
            target[rows] = np.where(is_unknown(metric, old), values, old)
    return to_day(days[0].date, vm_ids, merged)
