"""When a rule applies: windows of local time, and ranges of days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated

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
from optimizer.model.timegrid import MINUTES_PER_DAY, WEEKDAYS, format_minute

_NEW_YEAR_FREEZE = "freeze = [{ from = 2026-12-18, to = 2027-01-04 }]"


class Window(SparseTable):
    """A window of local time: ``[from, to)``, past midnight where ``to`` is not after ``from``.

    Parameters
    ----------
    start, end
        Minutes of the local day (``from`` and ``to`` in the file).
    days
        Weekdays on which the window begins, Monday = 0; None: every day.
    dates
        Dates on which the window begins; None: every date.
    zone
        Windows or IANA name of the zone of the above; None: the zone of each VM's own policy.
    """

    start: Annotated[MinuteOfDay, Field(alias="from")]
    end: Annotated[MinuteOfDay, Field(alias="to")]
    days: tuple[Weekday, ...] | None = None
    dates: tuple[Date, ...] | None = None
    zone: ZoneName | None = None

    @model_validator(mode="before")
    @classmethod
    def _written_as_text(cls, window: object) -> object:
        """In a file ``from = 20`` must not mean 20 minutes past midnight, nor ``days = [1]`` Tuesday."""
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
    def _has_length(self) -> Window:
        if self.start == self.end or (self.start == MINUTES_PER_DAY and self.end == 0):
            raise ValueError(
                f"the window from {format_minute(self.start)} to {format_minute(self.end)} has no length; "
                "write from 00:00 to 24:00 for a whole day"
            )
        if self.start == MINUTES_PER_DAY:
            raise ValueError("a window cannot begin at 24:00; write 00:00")
        if self.days == () or self.dates == ():
            raise ValueError("an empty list of days or dates means never; leave the key out for every day")
        return self

    @property
    def minutes(self) -> int:
        """Length in minutes of local time."""
        return (self.end - self.start - 1) % MINUTES_PER_DAY + 1

    def begins_on(self, day: dt.date) -> bool:
        """Whether the window begins on this local date."""
        return (self.days is None or day.weekday() in self.days) and (self.dates is None or day in self.dates)


def _require_no_dates(*ends: object) -> None:
    """Answer to days in the place of times: a planner who writes them means ``dates`` or a freeze."""
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
        """Whether a date lies in the range."""
        return self.first <= day <= self.last


def _range_of_one(value: object) -> object:
    """A single date stands for the range of that day."""
    if isinstance(value, Mapping | DateRange):
        return value
    day = parse_date(value)
    return {"from": day, "to": day}


Days = Annotated[DateRange, BeforeValidator(_range_of_one)]
"""A range of days, or a single date for the range of that day."""
