"""When a rule applies: windows of local time, and ranges of days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from optimizer.model.rule_values import (
    Date,
    MinuteOfDay,
    RuleTable,
    SparseTable,
    Weekday,
    ZoneName,
    is_date,
    parse_date,
)
from optimizer.model.snapshot_timing import USUAL_TIMING
from optimizer.model.timegrid import (
    MINUTES_PER_DAY,
    MINUTES_PER_WEEK,
    START_WINDOW_MINUTES,
    WEEKDAYS,
    format_minute,
)

_NEW_YEAR_FREEZE = "freeze = [{ from = 2026-12-18, to = 2027-01-04 }]"


class TimesOfDay(RuleTable):
    """Times from ``from`` to ``to`` on some weekdays; past midnight if ``to`` is not after ``from``.

    Parameters
    ----------
    start, end
        Minutes of the local day (``from`` and ``to`` in the file); ``end`` is not included.
    days
        Weekdays on which the times begin, Monday = 0; None: every day.
    """

    start: Annotated[MinuteOfDay, Field(alias="from")]
    end: Annotated[MinuteOfDay, Field(alias="to")]
    days: tuple[Weekday, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _written_as_text(cls, window: object) -> object:
        """Reject numbers: ``from = 20`` must not mean 20 minutes past midnight, nor ``days = [1]`` Tuesday."""
        if isinstance(window, Mapping) and ("from" in window or "to" in window):
            _require_no_dates(window.get("from"), window.get("to"))
            for key in ("from", "to"):
                if isinstance(window.get(key), int):
                    raise ValueError(f'{key} = {window[key]} is no time of day; write it as text, as in "20:00"')
            days = window.get("days")
            if isinstance(days, list | tuple) and not all(isinstance(day, str) for day in days):
                raise ValueError(f"days = {list(days)} are not all names; allowed: {', '.join(WEEKDAYS)}")
        return window

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.start == self.end or (self.start == MINUTES_PER_DAY and self.end == 0):
            raise ValueError(
                f"the window from {format_minute(self.start)} to {format_minute(self.end)} has no length; "
                "write from 00:00 to 24:00 for a whole day"
            )
        if self.start == MINUTES_PER_DAY:
            raise ValueError("a window cannot begin at 24:00; write 00:00")
        return self

    @property
    def minutes(self) -> int:
        """Length of the window, in minutes of local time."""
        return (self.end - self.start - 1) % MINUTES_PER_DAY + 1


class Window(TimesOfDay, SparseTable):
    """A window of local time in which backups are allowed or forbidden.

    Parameters
    ----------
    start, end, days
        See :class:`TimesOfDay`.
    dates
        Dates on which the window begins; None: every date.
    zone
        Windows or IANA name of the zone of the above; None: the zone of each VM's own policy.
    """

    dates: tuple[Date, ...] | None = None
    zone: ZoneName | None = None

    @model_validator(mode="after")
    def _opens_sometimes(self) -> Window:
        if self.days == () or self.dates == ():
            raise ValueError("an empty list of days or dates means never; leave the key out for every day")
        return self

    @property
    def recurs(self) -> bool:
        """Whether the window opens every week, not only on certain dates."""
        return self.dates is None

    def begins_on(self, day: dt.date) -> bool:
        """Whether the window begins on this local date."""
        return (self.days is None or day.weekday() in self.days) and (self.dates is None or day in self.dates)


def longest_stretch(windows: Sequence[Window]) -> int:
    """Upper bound, in minutes, on how long the windows last without a break.

    Windows that touch are joined, also across midnight. Dates count as their weekdays. Windows in different time zones
    count as if all of them touched.
    """
    if len({window.zone for window in windows}) > 1:
        return sum(window.minutes for window in windows)
    begins = (
        (day * MINUTES_PER_DAY + window.start, window.minutes) for window in windows for day in _weekdays(window)
    )
    spans = [(week + begin, week + begin + lasts) for begin, lasts in begins for week in (0, MINUTES_PER_WEEK)]
    longest, since, until = 0, 0, -1
    for begin, end in sorted(spans):
        since, until = (since, max(until, end)) if begin <= until else (begin, end)
        longest = max(longest, until - since)
    return longest


def _weekdays(window: Window) -> set[int]:
    """Weekdays on which a window may begin; those of its dates if it has dates."""
    days = set(range(7)) if window.days is None else set(window.days)
    dates = window.dates or ()
    return days & {date.weekday() for date in dates} or days


def too_short(windows: Sequence[Window]) -> str:
    """Why no start window can ever fit into the ``allow`` windows of a rule; empty if one can."""
    longest, needed = longest_stretch(windows), USUAL_TIMING.window_minutes
    if not windows or longest >= needed:
        return ""
    first = windows[0]
    named = " and ".join(
        f"from {format_minute(window.start)} to {format_minute(window.end)}" for window in windows[:3]
    )
    more = f" and {len(windows) - 3} more" if len(windows) > 3 else ""
    lasts = f"the window {named} lasts {_duration(longest)}"
    if len(windows) > 1:
        lasts = f"the windows {named}{more} last {_duration(longest)} at most without a break"
    until = (first.start + needed) % MINUTES_PER_DAY
    return (
        f"{lasts}, and no backup fits: a start window needs {_duration(needed)}, {_duration(START_WINDOW_MINUTES)} in "
        f"which Azure may start it and {USUAL_TIMING.snapshot_minutes} min for the snapshot; make one longer, as "
        f'{{ from = "{format_minute(first.start)}", to = "{format_minute(until)}" }} or later, or take the rule out'
    )


def _duration(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{rest} min" if rest else "") if part)


def _require_no_dates(*ends: object) -> None:
    """Reject dates in place of times; a planner who writes them means ``dates`` or a freeze."""
    dates = [str(end) for end in ends if is_date(end)]
    if not dates:
        return
    said = f"{dates[0]} is a date" if len(dates) == 1 else f"from {dates[0]} to {dates[1]} are dates"
    backwards = "; of two dates the first must not be after the last" if dates != sorted(dates) else ""
    raise ValueError(
        f"{said}, and a window lasts from one time of day to another{backwards}; write times, and name each day on "
        'which the window begins, as { from = "20:00", to = "06:00", dates = [2026-12-31, 2027-01-01] }; or, for a '
        f"period in which nothing is written to Azure, also over New Year, {_NEW_YEAR_FREEZE}"
    )


class DateRange(RuleTable):
    """Days from ``from`` to ``to``, both included.

    Parameters
    ----------
    first, last
        Local dates (``from`` and ``to`` in the file).
    """

    first: Annotated[Date, Field(alias="from")]
    last: Annotated[Date, Field(alias="to")]

    @model_validator(mode="after")
    def _in_order(self) -> DateRange:
        if self.last < self.first:
            raise ValueError(
                f"the range from {self.first} to {self.last} ends before it begins; the first day must not be after "
                f"the last; swap the two, or give the later year to the last day of a period over New Year, as "
                f"{_NEW_YEAR_FREEZE}"
            )
        return self

    def __contains__(self, day: dt.date) -> bool:
        """Whether a date is in the range."""
        return self.first <= day <= self.last


def _range_of_one(value: object) -> object:
    """Convert a single date to the range of that day."""
    if isinstance(value, Mapping | DateRange):
        return value
    day = parse_date(value)
    return {"from": day, "to": day}


Days = Annotated[DateRange, BeforeValidator(_range_of_one)]
"""A range of days; a single date means the range of that day."""
