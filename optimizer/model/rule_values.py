"""Values of a rules file in the planner's notation, and base classes of its tables.

Each value validates itself, explains what is allowed, and is dumped in the notation of the file.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    Strict,
    WithJsonSchema,
    model_serializer,
)

from optimizer.model.faults import as_json
from optimizer.model.strict import StrictModel
from optimizer.model.timegrid import MINUTES_PER_DAY, WEEKDAYS, format_minute, parse_weekday, resolve_zone

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class RuleTable(StrictModel):
    """Base class of tables in a rules file; aliases serve keys that are reserved words in Python."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


class SparseTable(RuleTable):
    """Base class of tables that are dumped without the keys that have their default value."""

    @model_serializer(mode="wrap")
    def _without_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        silent = {
            key
            for name, field in fields.items()
            if getattr(self, name) == field.get_default(call_default_factory=True)
            for key in (name, field.alias)
        }
        return {key: value for key, value in dump(self).items() if key not in silent}


def _minute_of_day(value: object) -> object:
    """Minute of the day for an ``HH:MM`` text; 24:00 is the end of the day."""
    if isinstance(value, dt.time):
        raise ValueError(f'{value} is a bare time of day; write it in quotes, as "{value:%H:%M}"')
    if not isinstance(value, str):
        return value
    hour, colon, minute = value.partition(":")
    if colon and len(hour) == len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdecimal():
        total = int(hour) * 60 + int(minute)
        if int(minute) < 60 and total <= MINUTES_PER_DAY:
            return total
    raise ValueError(f'{value!r} is not a time of day; allowed: HH:MM from 00:00 to 24:00; write it as "20:00"')


def _time_text(minute: int) -> str:
    return "24:00" if minute == MINUTES_PER_DAY else format_minute(minute)


def _weekday(value: object) -> object:
    return parse_weekday(value) if isinstance(value, str) else value


def _weekday_name(day: int) -> str:
    return WEEKDAYS[day]


def is_date(value: object) -> bool:
    """Whether a value is written as a date, whether or not that date exists."""
    if isinstance(value, str):
        return _DATE.fullmatch(value) is not None
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)


def parse_date(value: object) -> object:
    """Parse a calendar date; pydantic alone would accept numbers as seconds since 1970."""
    if is_date(value) and isinstance(value, str):
        try:
            return dt.date.fromisoformat(value)
        except ValueError as exc:
            raise ValueError(f"{value!r} is not in the calendar ({exc}); allowed: YYYY-MM-DD, as 2026-12-24") from exc
    if is_date(value):
        return value
    raise ValueError(f"{str(value)!r} is not a date; allowed: YYYY-MM-DD without a time of day, as 2026-12-24")


def _zone_name(value: object) -> object:
    if isinstance(value, str):
        resolve_zone(value)
    return value


def _os_name(value: object) -> object:
    if isinstance(value, list | tuple):
        raise ValueError(
            f'{as_json(value)} is a list; allowed: "Windows" or "Linux"; without \'os\', a rule is for both'
        )
    return value.capitalize() if isinstance(value, str) else value


def _percent(value: float) -> float:
    if value <= 1:
        raise ValueError(
            f"{value:g} would mean {value:g} %; thresholds are in percent from above 1 to 100; "
            f"write {value * 100:g} for {value * 100:g} %"
        )
    return value


MinuteOfDay = Annotated[
    int,
    BeforeValidator(_minute_of_day),
    Field(strict=True, ge=0, le=MINUTES_PER_DAY),
    PlainSerializer(_time_text),
    WithJsonSchema({"type": "string", "pattern": r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$"}),
]
Weekday = Annotated[
    int,
    BeforeValidator(_weekday),
    Field(strict=True, ge=0, le=6),
    PlainSerializer(_weekday_name),
    WithJsonSchema({"type": "string", "enum": list(WEEKDAYS)}),
]
Date = Annotated[dt.date, BeforeValidator(parse_date)]
ZoneName = Annotated[str, BeforeValidator(_zone_name)]
Os = Annotated[Literal["Windows", "Linux"], BeforeValidator(_os_name)]
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Field(strict=True, ge=0)]
AtLeastOne = Annotated[int, Field(strict=True, ge=1)]
Percent = Annotated[float, Field(strict=True, gt=0, le=100), AfterValidator(_percent)]
Price = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
