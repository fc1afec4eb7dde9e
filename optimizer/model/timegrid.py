"""The only place that converts time: bins of load, half-hour slots of a typical week, zones, start options.

Inside the core every time is an integer.  A *bin* is 5 minutes of a UTC day, a *slot* is one of the 336 half hours
of a typical UTC week that begins on Monday 00:00 and is circular, a *start option* is one of the 48 half hours of
a day in the policy's own time zone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum, StrEnum
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import numpy.typing as npt
from tzlocal.windows_tz import win_tz

MINUTES_PER_DAY = 1440
MINUTES_PER_WEEK = 7 * MINUTES_PER_DAY
BIN_MINUTES = 5
BINS_PER_DAY = MINUTES_PER_DAY // BIN_MINUTES
SLOT_MINUTES = 30
SLOTS_PER_DAY = MINUTES_PER_DAY // SLOT_MINUTES
SLOTS_PER_WEEK = 7 * SLOTS_PER_DAY
NUM_OPTIONS = SLOTS_PER_DAY

HORIZON_DAYS = 30
"""Length in days of the period for which risk is stated."""

RULE_DAYS = 366
"""Length in days of the period in which windows of rules must hold: a year, so that every clock change is in it.

Plans are renewed monthly, but a schedule stays in force until somebody changes it.
"""

ROLLOUT_DAYS = 60
"""How far ahead a roll-out is laid out."""

START_WINDOW_MINUTES = 120
"""A scheduled backup starts within two hours of its time (Azure VM backup FAQ, 2025-10-29)."""

DEFAULT_SNAPSHOT_MINUTES = 15
"""Length of the in-guest snapshot phase where the jobs do not tell."""

HISTORY_GUARD = timedelta(minutes=130)
"""History ends this long before ``as_of``: the last window of a plan must not see its own pull."""

LAST_HOURLY_OPTION = 39
"""Azure accepts 00:00 to 19:30 as the start of an hourly window (Az PowerShell schedule validation)."""

NOMINAL_MARGIN = timedelta(hours=14)
"""A nominal time that lies this long before an instant is past at that instant, in whatever zone it is read."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_START = re.compile(r"([01]\d|2[0-3]):(00|30)", re.ASCII)


class Frequency(StrEnum):
    """How often a policy runs."""

    DAILY = "Daily"
    WEEKLY = "Weekly"
    HOURLY = "Hourly"


def parse_start(text: str) -> int:
    """Start option of a time of day such as ``"23:30"``.

    Raises
    ------
    ValueError
        The text is not ``HH:00`` or ``HH:30`` from 00:00 to 23:30.
    """
    match = _START.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a start time; allowed: HH:00 or HH:30 from 00:00 to 23:30")
    return int(match[1]) * 2 + (match[2] == "30")


def format_minute(minute: int) -> str:
    """``HH:MM`` of a minute of the day, day and week wrapped around."""
    hour, rest = divmod(minute % MINUTES_PER_DAY, 60)
    return f"{hour:02d}:{rest:02d}"


def format_start(option: int) -> str:
    """``HH:MM`` of a start option."""
    return format_minute(option * SLOT_MINUTES)


def settled_date(as_of: datetime) -> date:
    """The latest date of which every time of day is past at an instant, in whatever zone it is read."""
    return as_of.astimezone(UTC).date() - timedelta(days=2)


def parse_weekday(text: str) -> int:
    """Number of a weekday, Monday = 0.

    Raises
    ------
    ValueError
        The text is not the English name of a weekday.
    """
    try:
        return WEEKDAYS.index(text.strip().capitalize())
    except ValueError:
        raise ValueError(f"{text!r} is not a weekday; allowed: {', '.join(WEEKDAYS)}") from None


_OLD_ZONES = {"Kamchatka Standard Time": "Asia/Kamchatka", "Mid-Atlantic Standard Time": "Etc/GMT+2"}
"""Zones that Windows and Azure still offer ("- Old" in their display names) and that the table of CLDR lacks.

Their clocks are taken as they are at the place today: without the summer time that Windows still has for them.
"""


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    """IANA name by Windows or IANA name in lower case: Azure does not tell the cases of zones apart."""
    known = {name.lower(): name for name in available_timezones()}
    windows = {**win_tz, **_OLD_ZONES}
    return known | {name.lower(): iana for name, iana in windows.items() if iana.lower() in known}


@lru_cache(maxsize=1024)
def resolve_zone(name: str) -> ZoneInfo:
    """Zone of a Windows name (as Azure writes it) or an IANA name; upper and lower case are the same.

    Raises
    ------
    ValueError
        No such zone; the message offers the nearest names.
    """
    iana = _zones().get(name.lower())
    if iana is None:
        near = _near_zones(name)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"{name!r} is not a time zone; allowed: Windows names such as 'W. Europe Standard Time' "
            f"or IANA names such as 'Europe/Berlin'{hint}"
        )
    return ZoneInfo(iana)


def _near_zones(name: str) -> list[str]:
    """Names of zones that look like a wrong one."""
    return difflib.get_close_matches(name[:60], [*win_tz, *_OLD_ZONES, *available_timezones()], n=3)


@dataclass(frozen=True, slots=True)
class Horizon:
    """The period that a plan is made for: 30 days from 00:00 UTC after ``as_of``.

    Parameters
    ----------
    as_of
        Aware time at which the estate was taken.
    """

    as_of: datetime

    @property
    def start(self) -> datetime:
        """First instant: the next 00:00 UTC after ``as_of``."""
        day = self.as_of.astimezone(UTC).date() + timedelta(days=1)
        return datetime.combine(day, time.min, UTC)

    @property
    def end(self) -> datetime:
        """First instant after the horizon."""
        return self.start + timedelta(days=HORIZON_DAYS)

    @property
    def history_end(self) -> datetime:
        """First instant that the forecast must not look at."""
        return self.as_of.astimezone(UTC) - HISTORY_GUARD

    def dates(self) -> list[date]:
        """The 30 dates of the horizon."""
        return [self.start.date() + timedelta(days=n) for n in range(HORIZON_DAYS)]

    @property
    def rule_days(self) -> int:
        """Number of days, from the start of the horizon, in which windows of rules must hold."""
        return RULE_DAYS

    def nominal_offset(self, zone: ZoneInfo) -> int:
        """UTC offset of the zone at the start of the horizon, in minutes."""
        return _offset_minutes(self.start, zone)

    def offsets(self, zone: ZoneInfo) -> tuple[int, ...]:
        """UTC offsets in minutes at which Azure may run a time of day of the zone, the present one first.

        Whether Azure moves a schedule when clocks change is not settled (documentation and users' reports
        differ).  A policy may therefore run at any offset that its zone had in the past year, when the policy may
        have been written, or has in the coming year.
        """
        return _offsets_of_two_years(self.start, zone)


@lru_cache(maxsize=1024)
def _offsets_of_two_years(start: datetime, zone: ZoneInfo) -> tuple[int, ...]:
    """Offsets in the year before and after an instant, the one at the instant first; cached, as VMs share zones."""
    days = range(-RULE_DAYS, RULE_DAYS + 1)
    seen = {_offset_minutes(start + timedelta(days=n), zone) for n in days}
    nominal = _offset_minutes(start, zone)
    return (nominal, *sorted(seen - {nominal}))


def _offset_minutes(instant: datetime, zone: ZoneInfo) -> int:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds() // 60)


@dataclass(frozen=True)
class Recurrence:
    """When a policy runs, but for the time of day: the part of a schedule that is never changed.

    Parameters
    ----------
    frequency
        Daily, Weekly or Hourly.
    days
        Weekdays of a weekly policy, Monday = 0, sorted; empty otherwise.
    interval_hours, duration_hours
        Spacing of the runs and length of the window of an hourly policy; None otherwise.
    """

    frequency: Frequency
    days: tuple[int, ...] = ()
    interval_hours: int | None = None
    duration_hours: int | None = None

    @cached_property
    def runs_after_start(self) -> tuple[int, ...]:
        """Minutes from the start option to each run of one day.

        Whether an hourly window's last run may lie on its end is not documented: it is counted, which can only
        overstate load and overlap.
        """
        if self.frequency is not Frequency.HOURLY:
            return (0,)
        assert self.interval_hours is not None and self.duration_hours is not None
        last = min(self.duration_hours, 24 - self.interval_hours)
        return tuple(60 * hour for hour in range(0, last + 1, self.interval_hours))

    @property
    def weekdays(self) -> tuple[int, ...]:
        """Weekdays on which the start option occurs."""
        return self.days if self.frequency is Frequency.WEEKLY else tuple(range(7))

    @property
    def runs_per_week(self) -> int:
        """Number of backups in a typical week."""
        return len(self.weekdays) * len(self.runs_after_start)

    @property
    def days_between_runs(self) -> float:
        """Mean number of days from one day with runs to the next: 7 for a backup once a week, 1 for a daily one."""
        return 7 / len(self.weekdays)

    @cached_property
    def widest_spacing(self) -> int:
        """Longest time between two runs, in minutes."""
        runs = sorted(self.run_minutes(0, 0).tolist())
        following = [*runs[1:], runs[0] + MINUTES_PER_WEEK]
        return int(max(later - earlier for earlier, later in zip(runs, following, strict=True)))

    @property
    def least_rpo(self) -> int:
        """Minutes between two recovery points that the schedule leaves by itself: a start may be 2 h late."""
        return self.widest_spacing + START_WINDOW_MINUTES

    def run_minutes(self, option: int, offset_minutes: int) -> npt.NDArray[np.int64]:
        """Minutes of the UTC week at which the runs of a start option begin.

        Parameters
        ----------
        option
            Start option in the policy's zone.
        offset_minutes
            UTC offset of the zone.

        Returns
        -------
        numpy.ndarray
            Shape (runs_per_week,), each in [0, 10080).
        """
        days = np.array(self.weekdays, dtype=np.int64)[:, None] * MINUTES_PER_DAY
        runs = np.array(self.runs_after_start, dtype=np.int64)[None, :]
        local = days + option * SLOT_MINUTES + runs
        return (local - offset_minutes).ravel() % MINUTES_PER_WEEK

    def options(self, today: int) -> tuple[int, ...]:
        """Start options that Azure accepts for this recurrence.

        An hourly window starts at 00:00 to 19:30, whatever its length: Microsoft's own default (08:00, 24 hours)
        crosses midnight.  The start of today stays possible.
        """
        if self.frequency is not Frequency.HOURLY:
            return tuple(range(NUM_OPTIONS))
        return tuple(sorted({*range(LAST_HOURLY_OPTION + 1), today}))


class ClockReading(Enum):
    """Which offset from UTC the clocks of zones are read at."""

    NOW = 0
    """That of the start of the horizon."""

    CHANGED = -1
    """The other one of a zone that changes its clock."""


@dataclass(frozen=True)
class Pattern:
    """Where in the typical UTC week the windows of each start option lie: a recurrence seen from its zone.

    Parameters
    ----------
    recurrence
        The runs.
    offsets
        UTC offsets in minutes at which the zone's clock may be read, the nominal one first.
    """

    recurrence: Recurrence
    offsets: tuple[int, ...]

    @property
    def shift(self) -> int:
        """By how many minutes the offset from UTC changes when the clock does; 0 where it never does."""
        return self.offsets[ClockReading.CHANGED.value] - self.offsets[0]

    def start_slots(self, option: int, reading: ClockReading = ClockReading.NOW) -> npt.NDArray[np.int64]:
        """Week slots in which the runs start; shape (runs,)."""
        return self.recurrence.run_minutes(option, self.offsets[reading.value]) // SLOT_MINUTES

    def slots_from_start(self, width: int, reading: ClockReading = ClockReading.NOW) -> npt.NDArray[np.bool_]:
        """Week slots of the ``width`` half hours that begin with the half hour of each start; shape (48, 336)."""
        taken = np.zeros((NUM_OPTIONS, SLOTS_PER_WEEK), dtype=np.bool_)
        for option in range(NUM_OPTIONS):
            slots = self.start_slots(option, reading)[:, None] + np.arange(width)
            taken[option, slots.ravel() % SLOTS_PER_WEEK] = True
        return taken

    def occupancy(self, snapshot_minutes: int) -> npt.NDArray[np.bool_]:
        """Week slots that the start windows of each option meet, whichever way the clock is read.

        Parameters
        ----------
        snapshot_minutes
            Length of the snapshot at the end of the start window.

        Returns
        -------
        numpy.ndarray
            Shape (48, 336): ``[t, s]`` is True where ``[t, t + 2 h + snapshot)`` meets slot ``s`` with positive
            length in some run and at some offset.
        """
        length = START_WINDOW_MINUTES + snapshot_minutes
        occupied = np.zeros((NUM_OPTIONS, SLOTS_PER_WEEK), dtype=np.bool_)
        for option in range(NUM_OPTIONS):
            for offset in self.offsets:
                for begin in self.recurrence.run_minutes(option, offset).tolist():
                    slots = range(begin // SLOT_MINUTES, -(-(begin + length) // SLOT_MINUTES))
                    occupied[option, [slot % SLOTS_PER_WEEK for slot in slots]] = True
        return occupied


def common_start_step(offsets: Iterable[int]) -> int:
    """Spacing in minutes of the UTC start times that zones with these offsets can reach: 30, 15 or 5.

    Examples
    --------
    >>> common_start_step([0, 120]), common_start_step([0, 345])
    (30, 15)
    """
    step = SLOT_MINUTES
    for offset in offsets:
        step = int(np.gcd(step, offset % SLOT_MINUTES))
    return step


def in_calendar(instant: datetime) -> datetime:
    """An aware instant in UTC.

    Raises
    ------
    ValueError
        It is not of the years that the program works with.
    """
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise ValueError(f"{instant.isoformat()} is out of range; allowed: the years {FIRST_YEAR} to {LAST_YEAR}")
    return instant.astimezone(UTC)


FIRST_YEAR, LAST_YEAR = 2000, 2099
"""Years of load, estates and rehearsals.  Azure began in 2010; what is outside is a slip, or a number read as a time.
Every instant of them can be converted to any zone, and a horizon fits behind it."""
