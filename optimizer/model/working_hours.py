"""Working hours, and the number of backups that are expected to start in them."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from optimizer.model.rule_values import MinuteOfDay, Weekday
from optimizer.model.rule_windows import TimesOfDay
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.model.timegrid import (
    HORIZON_DAYS,
    MINUTES_PER_DAY,
    MINUTES_PER_WEEK,
    NUM_OPTIONS,
    SLOT_MINUTES,
    START_WINDOW_MINUTES,
    Frequency,
    Recurrence,
)


class WorkingHours(TimesOfDay):
    """Hours in which people work, on the clock of each VM's policy.

    Parameters
    ----------
    start, end
        Minutes of the day (``from`` and ``to`` in the file): a backup that starts at ``to`` is not in them.
    days
        Weekdays on which the hours begin, Monday = 0; at least one.
    """

    start: Annotated[MinuteOfDay, Field(alias="from")] = 8 * 60
    end: Annotated[MinuteOfDay, Field(alias="to")] = 18 * 60
    days: Annotated[tuple[Weekday, ...], Field(min_length=1)] = (0, 1, 2, 3, 4)

    def starts(self, recurrence: Recurrence, timing: SnapshotTiming) -> npt.NDArray[np.float64]:
        """Expected number of backups per 30 days that start in working hours, by start option.

        A backup usually starts at any minute of the two hours after its scheduled time. Each run therefore counts
        with the share of these two hours that is in working hours: a backup scheduled for 07:30 starts after 08:00 in
        three of four cases. If a policy runs several times a day, every run counts.

        Returns
        -------
        numpy.ndarray
            Shape (48,).
        """
        return _starts(self, recurrence, timing)

    def distance(self, recurrence: Recurrence) -> npt.NDArray[np.int64]:
        """Minutes between the two-hour start window of a backup and the nearest working hours, by start option.

        The distance is 0 if they touch, and for policies that run several times a day. Weekdays do not matter.

        Returns
        -------
        numpy.ndarray
            Shape (48,).
        """
        if recurrence.frequency is Frequency.HOURLY:
            return np.zeros(NUM_OPTIONS, dtype=np.int64)
        option = np.arange(NUM_OPTIONS) * SLOT_MINUTES
        since_begin = (option - self.start) % MINUTES_PER_DAY
        after, before = since_begin - self.minutes, MINUTES_PER_DAY - since_begin - START_WINDOW_MINUTES
        return np.maximum(np.minimum(after, before), 0)


@lru_cache(maxsize=1024)
def _starts(hours: WorkingHours, recurrence: Recurrence, timing: SnapshotTiming) -> npt.NDArray[np.float64]:
    opens = np.array(sorted(set(hours.days))) * MINUTES_PER_DAY + hours.start
    counts = np.empty(NUM_OPTIONS)
    for option in range(NUM_OPTIONS):
        since = (recurrence.run_minutes(option, 0)[:, None] - opens[None, :]) % MINUTES_PER_WEEK
        # The working hours that a run is in or follows, and the same ones a week later.
        left = np.concatenate([hours.minutes - since, hours.minutes - since + MINUTES_PER_WEEK])
        counts[option] = (timing.share_started(left) - timing.share_started(left - hours.minutes)).sum()
    counts *= HORIZON_DAYS / 7
    counts.flags.writeable = False
    return counts
