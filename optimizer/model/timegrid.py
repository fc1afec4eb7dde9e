"""The only module that converts time: load bins, half-hour slots of a typical week, time zones, and start options.

Inside the core, every time is an integer. A *bin* is 5 minutes of a UTC day. A *slot* is one of the 336 half hours of
a typical UTC week, which begins on Monday at 00:00 and is circular. A *start option* is one of the 48 half hours of a
day in the policy's own time zone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
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
"""Length in days of the period that risk figures refer to."""

RULE_DAYS = 366
"""Length in days of the period in which rule windows must hold: a year, which includes every clock change.

Plans are renewed monthly, but a schedule stays in force until it is changed.
"""

ROLLOUT_DAYS = 60
"""Number of days ahead for which a roll-out is scheduled."""

START_WINDOW_MINUTES = 120
"""A scheduled backup starts within two hours of its time (Azure VM backup FAQ, 2025-10-29)."""

DEFAULT_SNAPSHOT_MINUTES = 15
"""Length in minutes of the in-guest snapshot phase, for use when the jobs do not report it."""

HISTORY_GUARD = timedelta(minutes=130)
"""History ends this long before ``as_of``, so that the last window of a plan does not include its own pull."""

LAST_HOURLY_OPTION = 39
"""Last start option of an hourly window: Azure accepts 00:00 to 19:30 (Az PowerShell schedule validation)."""

NOMINAL_MARGIN = timedelta(hours=14)
"""A nominal time at least this long before an instant is in the past at that instant in every time zone."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_START = re.compile(r"([01]\d|2[0-3]):(00|30)", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


class Frequency(StrEnum):
    """How often a policy runs."""

    DAILY = "Daily"
    WEEKLY = "Weekly"
    HOURLY = "Hourly"


def parse_start(text: str) -> int:
    """Start option for a time of day such as ``"23:30"``.

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
    """Format a minute as ``HH:MM``; minutes beyond a day wrap around."""
    hour, rest = divmod(minute % MINUTES_PER_DAY, 60)
    return f"{hour:02d}:{rest:02d}"


def parse_minute(text: str) -> int:
    """Minute of the day for a time such as ``"23:45"``: the inverse of :func:`format_minute`.

    Raises
    ------
    ValueError
        The text is not ``HH:MM`` from 00:00 to 23:59.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time of day; allowed: HH:MM from 00:00 to 23:59")
    return int(match[1]) * 60 + int(match[2])


def format_offset(minutes: int) -> str:
    """Format a UTC offset as ``+HH:MM`` or ``-HH:MM``."""
    return f"{'-' if minutes < 0 else '+'}{format_minute(abs(minutes))}"


def format_start(option: int) -> str:
    """Format a start option as ``HH:MM``."""
    return format_minute(option * SLOT_MINUTES)


def format_slot(slot: int) -> str:
    """Half hour of the UTC week in words, such as ``Monday 23:30``."""
    day, of_day = divmod(slot, SLOTS_PER_DAY)
    return f"{WEEKDAYS[day]} {format_minute(of_day * SLOT_MINUTES)}"


def settled_date(as_of: datetime) -> date:
    """Latest date that is completely in the past at an instant, in every time zone."""
    return as_of.astimezone(UTC).date() - timedelta(days=2)


def parse_weekday(text: str) -> int:
    """Number of the weekday with an English name; Monday is 0.

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
"""Zones that Windows and Azure still offer ("- Old" in their display names) but that CLDR's table lacks.

They follow the clocks used at these places today, without the daylight saving time that Windows still applies to them.
"""


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    """IANA names by Windows or IANA name in lower case, because Azure ignores case in zone names."""
    known = {name.lower(): name for name in available_timezones()}
    windows = {**win_tz, **_OLD_ZONES}
    return known | {name.lower(): iana for name, iana in windows.items() if iana.lower() in known}


@lru_cache(maxsize=1024)
def resolve_zone(name: str) -> ZoneInfo:
    """Time zone for a Windows name (which Azure uses) or an IANA name, ignoring case.

    Raises
    ------
    ValueError
        The zone does not exist; the message suggests the nearest names.
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
    """Names of time zones that resemble a wrong name."""
    return difflib.get_close_matches(name[:60], [*win_tz, *_OLD_ZONES, *available_timezones()], n=3)


@dataclass(frozen=True, slots=True)
class Horizon:
    """The period that a plan is made for: 30 days from 00:00 UTC after ``as_of``.

    Parameters
    ----------
    as_of
        Time at which the estate was read, with a UTC offset.
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
        """First instant that the forecast must not use."""
        return self.as_of.astimezone(UTC) - HISTORY_GUARD

    def dates(self) -> list[date]:
        """The 30 dates of the horizon."""
        return [self.start.date() + timedelta(days=n) for n in range(HORIZON_DAYS)]

    @property
    def rule_days(self) -> int:
        """Number of days from the start of the horizon in which rule windows must hold."""
        return RULE_DAYS

    def nominal_offset(self, zone: ZoneInfo) -> int:
        """UTC offset of the zone at the start of the horizon, in minutes."""
        return _offset_minutes(self.start, zone)

    def offsets(self, zone: ZoneInfo) -> tuple[int, ...]:
        """UTC offsets in minutes at which Azure may run a time of day in the zone, the present one first.

        It is not settled whether Azure shifts a schedule when clocks change: the documentation and users' reports
        differ. A policy may therefore run at any offset that its zone had in the past year, when the policy may have
        been written, or will have in the coming year.
        """
        return _offsets_of_two_years(self.start, zone)


@lru_cache(maxsize=1024)
def _offsets_of_two_years(start: datetime, zone: ZoneInfo) -> tuple[int, ...]:
    """Offsets within a year of an instant, the one at the instant first; cached because VMs share zones."""
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
    """When a policy runs, apart from the time of day; the program never changes this part of a schedule.

    Parameters
    ----------
    frequency
        Daily, Weekly or Hourly.
    days
        Weekdays of a weekly policy, Monday = 0, sorted; empty otherwise.
    interval_hours, duration_hours
        Hours between the runs and length in hours of the window of an hourly policy; None otherwise.
    """

    frequency: Frequency
    days: tuple[int, ...] = ()
    interval_hours: int | None = None
    duration_hours: int | None = None

    @cached_property
    def runs_after_start(self) -> tuple[int, ...]:
        """Minutes from the start option to each run of one day.

        It is not documented whether the last run of an hourly window may be at its end. Such a run is counted, which
        can only overstate load and overlap.
        """
        if self.frequency is not Frequency.HOURLY:
            return (0,)
        assert self.interval_hours is not None and self.duration_hours is not None
        last = min(self.duration_hours, 24 - self.interval_hours)
        return tuple(60 * hour for hour in range(0, last + 1, self.interval_hours))

    @property
    def weekdays(self) -> tuple[int, ...]:
        """Weekdays on which the policy starts at its start option."""
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
        """Longest time in minutes between recovery points under the schedule alone: a start may be 2 h late."""
        return self.widest_spacing + START_WINDOW_MINUTES

    def run_minutes(self, option: int, offset_minutes: int) -> npt.NDArray[np.int64]:
        """Minutes of the UTC week at which the runs of a start option are scheduled.

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

        An hourly window may start from 00:00 to 19:30, whatever its length: Microsoft's own default (08:00, 24 hours)
        crosses midnight. The present start, ``today``, is always included.
        """
        if self.frequency is not Frequency.HOURLY:
            return tuple(range(NUM_OPTIONS))
        return tuple(sorted({*range(LAST_HOURLY_OPTION + 1), today}))


def common_start_step(offsets: Iterable[int]) -> int:
    """Spacing in minutes of the UTC start times available in zones with these offsets: 30, 15 or 5.

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
    """Convert an aware instant to UTC.

    Raises
    ------
    ValueError
        The instant is outside the years that the program supports.
    """
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise ValueError(f"{instant.isoformat()} is out of range; allowed: the years {FIRST_YEAR} to {LAST_YEAR}")
    return instant.astimezone(UTC)


FIRST_YEAR, LAST_YEAR = 2000, 2099
"""Years of load, estates and rehearsals. Azure began in 2010, so a time outside this range is a mistake or a number
read as a time. Every instant in these years can be converted to any zone and still leaves room for a horizon after
it."""
