"""Positions in the week of the start windows of a policy, for every start that it could have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from optimizer.model.snapshot_timing import USUAL_TIMING, SnapshotTiming
from optimizer.model.timegrid import NUM_OPTIONS, SLOT_MINUTES, SLOTS_PER_WEEK, Recurrence


class ClockReading(Enum):
    """Choice of a UTC offset of each time zone."""

    NOW = 0
    """The offset at the start of the horizon."""

    CHANGED = -1
    """The other offset of a zone that changes its clock."""


@dataclass(frozen=True)
class Pattern:
    """Positions in the typical UTC week of the windows of each start option: a recurrence in its time zone.

    Parameters
    ----------
    recurrence
        Frequency, days and interval of the runs.
    offsets
        UTC offsets in minutes that the zone may have, the present one first.
    timing
        Start delay and snapshot length of the backups.
    """

    recurrence: Recurrence
    offsets: tuple[int, ...]
    timing: SnapshotTiming = USUAL_TIMING

    @property
    def shift(self) -> int:
        """Change of the UTC offset, in minutes, when the zone's clock changes; 0 if it never does."""
        return self.offsets[ClockReading.CHANGED.value] - self.offsets[0]

    def start_slots(self, option: int, reading: ClockReading = ClockReading.NOW) -> npt.NDArray[np.int64]:
        """Week slots in which the runs start; shape (runs,)."""
        return self.recurrence.run_minutes(option, self.offsets[reading.value]) // SLOT_MINUTES

    def slots_from_start(self, width: int, reading: ClockReading = ClockReading.NOW) -> npt.NDArray[np.bool_]:
        """Week slots in the ``width`` half hours from the half hour of each start; shape (48, 336)."""
        taken = np.zeros((NUM_OPTIONS, SLOTS_PER_WEEK), dtype=np.bool_)
        for option in range(NUM_OPTIONS):
            slots = self.start_slots(option, reading)[:, None] + np.arange(width)
            taken[option, slots.ravel() % SLOTS_PER_WEEK] = True
        return taken

    def occupancy(self) -> npt.NDArray[np.bool_]:
        """Week slots that the start windows of each start option overlap, at any UTC offset.

        Returns
        -------
        numpy.ndarray
            Shape (48, 336): ``[t, s]`` is True if ``[t, t + 2 h + snapshot)`` overlaps slot ``s`` for a positive
            length in at least one run and at one offset.
        """
        length = self.timing.window_minutes
        occupied = np.zeros((NUM_OPTIONS, SLOTS_PER_WEEK), dtype=np.bool_)
        for option in range(NUM_OPTIONS):
            for offset in self.offsets:
                for begin in self.recurrence.run_minutes(option, offset).tolist():
                    slots = range(begin // SLOT_MINUTES, -(-(begin + length) // SLOT_MINUTES))
                    occupied[option, [slot % SLOTS_PER_WEEK for slot in slots]] = True
        return occupied
