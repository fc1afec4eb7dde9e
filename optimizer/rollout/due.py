"""When jobs of a schedule are due: instants out of start options, whichever way the clock is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from optimizer.model.timegrid import SLOT_MINUTES, START_WINDOW_MINUTES, Recurrence

START_WINDOW = timedelta(minutes=START_WINDOW_MINUTES)

TOLERANCE = timedelta(minutes=30)
"""How far behind its start window a job may begin and still count as on time."""

_EARLY = timedelta(minutes=1)
"""What the clocks of two machines may differ by: no job starts before its time."""

_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Due:
    """One run of a schedule.

    Parameters
    ----------
    readings
        Instants in UTC at which the run may begin, ascending: one for each reading of the zone's clock.
    """

    readings: tuple[datetime, ...]

    @property
    def opens(self) -> datetime:
        """First instant at which its job may start."""
        return self.readings[0]

    @property
    def closes(self) -> datetime:
        """From when on its job is late."""
        return self.readings[-1] + START_WINDOW + TOLERANCE

    def holds(self, moment: datetime) -> bool:
        """Whether a job that starts at this time is this run's and on time."""
        return any(begin - _EARLY <= moment <= begin + START_WINDOW + TOLERANCE for begin in self.readings)

    def delay(self, moment: datetime) -> timedelta:
        """How long after its time a job started, by the reading nearest before it."""
        past = [begin for begin in self.readings if begin <= moment]
        return max(moment - past[-1] if past else moment - self.readings[0], timedelta(0))


def runs_between(
    recurrence: Recurrence, option: int, offsets: Sequence[int], since: datetime, until: datetime
) -> list[Due]:
    """Runs whose windows meet ``[since, until]``, by time.

    Parameters
    ----------
    recurrence
        The runs.
    option
        Start option in the policy's zone, 0 to 47.
    offsets
        UTC offsets in minutes at which the zone's clock may be read.
    since, until
        Aware times.
    """
    runs = []
    day = since.astimezone(UTC).date() - 3 * _A_DAY
    while day <= until.astimezone(UTC).date() + 2 * _A_DAY:
        if day.weekday() in recurrence.weekdays:
            midnight = datetime.combine(day, time.min, UTC)
            for minutes in recurrence.runs_after_start:
                local = midnight + timedelta(minutes=option * SLOT_MINUTES + minutes)
                runs.append(Due(tuple(sorted(local - timedelta(minutes=offset) for offset in offsets))))
        day += _A_DAY
    return sorted((run for run in runs if run.closes >= since and run.opens <= until), key=lambda run: run.opens)
