"""Times at which the jobs of a schedule are due, as instants, for every UTC offset that the clock may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from optimizer.model.timegrid import SLOT_MINUTES, START_WINDOW_MINUTES, Recurrence

START_WINDOW = timedelta(minutes=START_WINDOW_MINUTES)

TOLERANCE = timedelta(minutes=30)
"""How long after its start window a job may begin and still count as on time."""

_EARLY = timedelta(minutes=1)
"""Tolerance for the difference between the clocks of two machines: no job really starts before its time."""

_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Due:
    """One run of a schedule.

    Parameters
    ----------
    instants
        Instants in UTC at which the run may begin, ascending: one for each UTC offset that the zone's clock may have.
    """

    instants: tuple[datetime, ...]

    @property
    def opens(self) -> datetime:
        """First instant at which its job may start."""
        return self.instants[0]

    @property
    def closes(self) -> datetime:
        """Instant after which its job is late."""
        return self.instants[-1] + START_WINDOW + TOLERANCE

    def holds(self, moment: datetime) -> bool:
        """Whether a job that starts at this instant belongs to this run and is on time."""
        return any(begin - _EARLY <= moment <= begin + START_WINDOW + TOLERANCE for begin in self.instants)

    def delay(self, moment: datetime) -> timedelta:
        """Delay of a job that starts at this instant, after the latest of these before it."""
        past = [begin for begin in self.instants if begin <= moment]
        return max(moment - past[-1] if past else moment - self.instants[0], timedelta(0))


def runs_between(
    recurrence: Recurrence, option: int, offsets: Sequence[int], since: datetime, until: datetime
) -> list[Due]:
    """Runs whose windows overlap ``[since, until]``, in order of time.

    Parameters
    ----------
    recurrence
        Recurrence of the schedule.
    option
        Start option in the policy's zone, 0 to 47 (half hours after midnight).
    offsets
        UTC offsets in minutes that the zone's clock may have.
    since, until
        Aware times that bound the period.
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
