"""Load of VMs in 5-minute bins of a UTC day, as an estate stores it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

RUNNING, STOPPED, UNKNOWN = 1, 0, -1
"""Values of :attr:`DayLoad.running`: running, off, and unknown."""


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
    vm_ids: tuple[str, ...]
    cpu_percent: FloatArray
    mem_percent: FloatArray
    cpu_max: FloatArray | None = None
    mem_max: FloatArray | None = None
    running: npt.NDArray[np.int8] | None = None
