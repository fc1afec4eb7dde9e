"""Values of a rules file: each validates itself, explains what is allowed, and is dumped as it was written."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from optimizer.model.rule_values import (
    AtLeastOne,
    Count,
    Date,
    Flag,
    MinuteOfDay,
    Os,
    Percent,
    Price,
    RuleTable,
    SparseTable,
    Weekday,
    ZoneName,
    is_date,
    parse_date,
)


@given(st.integers(0, 1440))
def test_a_time_of_day_comes_back_as_it_was_written(minute: int) -> None:
    """Every minute of the day, and 24:00 for its end."""
    adapter = TypeAdapter(MinuteOfDay)
    written = "24:00" if minute == 1440 else f"{minute // 60:02d}:{minute % 60:02d}"
    assert adapter.validate_python(written) == minute
    assert adapter.dump_python(minute) == written


@pytest.mark.parametrize(
    "written", ["24:01", "25:00", "9:00", "09:60", "0900", "09:0", "-1:00", "\u0660\u0669:\u0660\u0660", "+9:00"]
)
def test_what_is_no_time_of_day_is_refused(written: str) -> None:
    """Two digits, a colon, two digits, from 00:00 to 24:00."""
    with pytest.raises(ValidationError, match="is not a time of day; allowed: HH:MM from 00:00 to 24:00"):
        TypeAdapter(MinuteOfDay).validate_python(written)


def test_a_bare_time_of_toml_needs_quotes() -> None:
    """TOML has times of its own; the message shows the quotes."""
    with pytest.raises(ValidationError, match='20:30:00 is a bare time of day; write it in quotes, as "20:30"'):
        TypeAdapter(MinuteOfDay).validate_python(dt.time(20, 30))


@pytest.mark.parametrize(
    ("value", "written_as_date"),
    [
        ("2026-12-24", True),
        ("2026-99-99", True),
        (dt.date(2026, 12, 24), True),
        (dt.datetime(2026, 12, 24, tzinfo=dt.UTC), False),
        ("24.12.2026", False),
        (20261224, False),
    ],
)
def test_what_is_written_as_a_date(value: object, written_as_date: bool) -> None:
    """By its form, whether or not the calendar has it; an instant is no date."""
    assert is_date(value) is written_as_date


def test_dates_are_read_from_text_and_toml() -> None:
    """Numbers are no dates, although pydantic would take them for seconds."""
    assert parse_date("2026-12-24") == parse_date(dt.date(2026, 12, 24)) == dt.date(2026, 12, 24)
    with pytest.raises(ValueError, match="'2026-02-30' is not in the calendar"):
        parse_date("2026-02-30")
    for wrong in (1, "24.12.2026", dt.datetime(2026, 12, 24, 3, tzinfo=dt.UTC)):
        with pytest.raises(ValidationError, match="is not a date; allowed: YYYY-MM-DD without a time of day"):
            TypeAdapter(Date).validate_python(wrong)


def test_weekdays_are_names_in_any_case() -> None:
    """Monday is 0, and is dumped by its name."""
    adapter = TypeAdapter(Weekday)
    assert adapter.validate_python("sunday") == 6
    assert adapter.dump_python(0) == "Monday"
    with pytest.raises(ValidationError, match="'Sonntag' is not a weekday"):
        adapter.validate_python("Sonntag")


@pytest.mark.parametrize(
    ("kind", "good", "wrong"),
    [
        (ZoneName, ["Europe/Berlin", "nepal standard time"], ["Europe/Berlim"]),
        (Os, ["Windows", "linux"], ["BSD"]),
        (Flag, [True, False], [1, "true"]),
        (Count, [0, 7], [-1, 1.0, True]),
        (AtLeastOne, [1], [0]),
        (Percent, [1.5, 100], [0, 100.1]),
        (Price, [0, 0.5], [-0.1, float("nan"), float("inf"), "1"]),
    ],
)
def test_values_are_strict(kind: Any, good: list[object], wrong: list[object]) -> None:
    """No text for a number, no number for true, nothing outside the range."""
    adapter = TypeAdapter(kind)
    for value in good:
        adapter.validate_python(value)
    for value in wrong:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


def test_a_share_for_a_percentage_is_explained() -> None:
    """0.9 as a threshold would mean 0.9 %."""
    with pytest.raises(ValidationError, match=r"0.9 would mean 0.9 %; .* write 90 for 90 %"):
        TypeAdapter(Percent).validate_python(0.9)


class _Table(SparseTable):
    """A table with a default and an alias."""

    size: Count = 3
    begin: MinuteOfDay = 0


def test_a_sparse_table_is_dumped_without_its_defaults() -> None:
    """What was written, and nothing else, in the notation of the file; a written default counts as one."""
    assert _Table().model_dump() == _Table(size=3).model_dump() == {}
    assert _Table.model_validate({"size": 4, "begin": "20:00"}).model_dump() == {"size": 4, "begin": "20:00"}


def test_a_rule_table_refuses_unknown_keys() -> None:
    """A mistyped key would silently drop a protection."""
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        RuleTable.model_validate({"unknown": 1})
