"""Load of VMs on 5-minute bins of a UTC day, as it is read from an estate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

RUNNING, STOPPED, UNKNOWN = 1, 0, -1
"""Values of :attr:`DayLoad.running`."""


@dataclass(frozen=True, slots=True)
class DayLoad:
    """Load of some VMs on one UTC day.

    Parameters
    ----------
    date
        The UTC day.
    vm_ids
        Length V, sorted, without repetition.
    cpu_percent, mem_percent
        Shape (V, 288), mean of each 5-minute bin in percent, NaN where unknown.
    cpu_max, mem_max
        The same for the maximum; None where the source has none.
    running
        Shape (V, 288), int8: 1 running, 0 known to be off, -1 unsaid; None where the source does not tell.
    """

    date: date
    vm_ids: tuple[str, ...]
    cpu_percent: FloatArray
    mem_percent: FloatArray
    cpu_max: FloatArray | None = None
    mem_max: FloatArray | None = None
    running: npt.NDArray[np.int8] | None = None
