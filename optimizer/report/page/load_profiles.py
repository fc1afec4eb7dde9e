"""Load of every VM by time of day, packed so small that one page can hold thousands of VMs."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.load import DayLoad
from optimizer.model.rules import Threshold
from optimizer.model.timegrid import BINS_PER_DAY
from optimizer.ports import LoadSource

STEPS_PER_DAY = 96
"""Number of steps of a day: quarter hours, the length of a snapshot."""

STEPS_PER_PERCENT = 2
"""Values are stored in half percents, as one byte each."""

UNKNOWN = 255
"""Byte of a step without data; known values end at 127 %, which leaves room for CPU bursts above 100 %."""

SERIES = ("cpu", "cpu_p95", "memory", "busy")
"""Mean CPU load; 95th percentile over the days of the CPU load, in the highest of the three 5-minute bins of the step;
mean memory load; share of the days on which CPU or memory is above its threshold, in the busiest of the three bins."""

_BINS = BINS_PER_DAY // STEPS_PER_DAY

_VMS_AT_ONCE = 256
"""Number of VMs whose percentiles are computed at once, which limits the memory that sorting takes."""

Bytes = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PackedLoad:
    """Load of all VMs over the whole history.

    Parameters
    ----------
    values
        Shape (V, 4, 96): the :data:`SERIES` of each VM in quarter hours of the UTC day, in half percents;
        :data:`UNKNOWN` if no day has data.
    days
        Shape (V,): number of UTC days with load.
    """

    values: Bytes
    days: npt.NDArray[np.int64]

    def to_text(self) -> str:
        """All values as base64, one VM after the other."""
        return base64.b64encode(self.values.tobytes()).decode()


def pack_load(inventory: Inventory, load: LoadSource, threshold: Threshold) -> PackedLoad:
    """Summarize the load of every VM by time of day.

    The history is read once, day by day. What is kept of it meanwhile is one byte per VM, day and 5 minutes.

    Parameters
    ----------
    inventory
        Inventory whose items are the VMs, in their order.
    load
        Load history.
    threshold
        Threshold above which load counts as busy, and the statistic of a bin that is compared with it.
    """
    row_of = inventory.row_of_vm
    dates = load.dates()
    sums = _Sums.of(len(row_of), len(dates))
    for number, day in enumerate(dates):
        day_load = load.read_day(day)
        rows = np.array([row_of.get(ArmId(vm_id), -1) for vm_id in day_load.vm_ids], dtype=np.int64)
        cpu, memory = (metric[rows >= 0].astype(np.float64) for metric in _statistic(day_load, threshold))
        sums.add(number, rows[rows >= 0], cpu, memory, threshold)
    values = np.stack(
        [sums.cpu.means(), _high_percentile(sums.history), sums.memory.means(), sums.busy_share()], axis=1
    )
    return PackedLoad(values, sums.days)


def _statistic(load: DayLoad, threshold: Threshold) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    cpu, memory = load.cpu_percent, load.mem_percent
    if threshold.statistic == "maximum":
        cpu = cpu if load.cpu_max is None else load.cpu_max
        memory = memory if load.mem_max is None else load.mem_max
    return cpu, memory


@dataclass
class _Mean:
    """Running mean of each 5-minute bin of each VM; shapes (V, 288)."""

    total: FloatArray
    count: npt.NDArray[np.int32]

    def add(self, rows: npt.NDArray[np.int64], values: FloatArray) -> None:
        known = ~np.isnan(values)
        self.total[rows] += np.where(known, values, 0.0)
        self.count[rows] += known

    def means(self) -> Bytes:
        """Means of the steps, each over all samples of its bins."""
        total, count = (_in_steps(array).sum(axis=2) for array in (self.total, self.count))
        means = np.full(total.shape, np.nan)
        np.divide(total, count, out=means, where=count > 0)
        return _packed(means)


@dataclass
class _Sums:
    """Sums over the days that were read.

    Parameters
    ----------
    history
        Shape (V, D, 288): CPU load of each day in half percents.
    hot, known
        Shape (V, 288): number of days on which load is above its threshold, and on which any load is known.
    """

    cpu: _Mean
    memory: _Mean
    history: Bytes
    hot: npt.NDArray[np.int32]
    known: npt.NDArray[np.int32]
    days: npt.NDArray[np.int64]

    @classmethod
    def of(cls, num_vms: int, num_days: int) -> _Sums:
        shape = (num_vms, BINS_PER_DAY)
        return cls(
            cpu=_Mean(np.zeros(shape), np.zeros(shape, dtype=np.int32)),
            memory=_Mean(np.zeros(shape), np.zeros(shape, dtype=np.int32)),
            history=np.full((num_vms, num_days, BINS_PER_DAY), UNKNOWN, dtype=np.uint8),
            hot=np.zeros(shape, dtype=np.int32),
            known=np.zeros(shape, dtype=np.int32),
            days=np.zeros(num_vms, dtype=np.int64),
        )

    def add(
        self, number: int, rows: npt.NDArray[np.int64], cpu: FloatArray, memory: FloatArray, threshold: Threshold
    ) -> None:
        self.cpu.add(rows, cpu)
        self.memory.add(rows, memory)
        self.history[rows, number] = _packed(cpu)
        self.hot[rows] += (cpu > threshold.cpu_percent) | (memory > threshold.memory_percent)
        known = ~(np.isnan(cpu) & np.isnan(memory))
        self.known[rows] += known
        self.days[rows] += known.any(axis=1)

    def busy_share(self) -> Bytes:
        share = np.full(self.hot.shape, np.nan)
        np.divide(100.0 * self.hot, self.known, out=share, where=self.known > 0)
        return _highest(_packed(share))


def _in_steps(bins: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return bins.reshape(len(bins), STEPS_PER_DAY, _BINS)


def _packed(percent: FloatArray) -> Bytes:
    unknown = np.isnan(percent)
    steps = np.clip(np.rint(np.where(unknown, 0.0, percent) * STEPS_PER_PERCENT), 0, UNKNOWN - 1)
    packed: Bytes = np.where(unknown, UNKNOWN, steps).astype(np.uint8)
    return packed


def _highest(bins: Bytes) -> Bytes:
    """Highest known value of the bins of each step."""
    # One more than an unknown value is 0 in a byte, so unknown values are below all known ones.
    shifted = _in_steps(bins + np.uint8(1)).max(axis=2)
    highest: Bytes = (shifted - np.uint8(1)).astype(np.uint8)
    return highest


def _high_percentile(history: Bytes) -> Bytes:
    """95th percentile of the known days by nearest rank, in the highest bin of each step."""
    highest = np.full((history.shape[0], BINS_PER_DAY), UNKNOWN, dtype=np.uint8)
    for begin in range(0, history.shape[0] if history.shape[1] else 0, _VMS_AT_ONCE):
        ordered = np.sort(history[begin : begin + _VMS_AT_ONCE], axis=1)  # unknown days come last
        count = (ordered != UNKNOWN).sum(axis=1)
        rank = np.maximum(np.ceil(0.95 * count).astype(np.int64) - 1, 0)
        highest[begin : begin + _VMS_AT_ONCE] = np.take_along_axis(ordered, rank[:, None, :], axis=1)[:, 0]
    return _highest(highest)
