"""Time: options, zones, runs and slots, against plain datetime arithmetic."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tzlocal.windows_tz import win_tz

from optimizer.model.timegrid import (
    LAST_HOURLY_OPTION,
    NUM_OPTIONS,
    WEEKDAYS,
    Frequency,
    Horizon,
    Recurrence,
    common_start_step,
    format_minute,
    format_offset,
    format_slot,
    format_start,
    in_calendar,
    parse_minute,
    parse_start,
    parse_weekday,
    resolve_zone,
    settled_date,
)

DAILY = Recurrence(Frequency.DAILY)
HOURLY_SHAPES = [(interval, duration) for interval in (4, 6, 8, 12) for duration in range(interval, 25, interval)]

AS_OF = st.datetimes(datetime(2020, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by contract of hypothesis
ZONES = st.sampled_from(sorted(win_tz)).map(resolve_zone)
WEEKLY = st.sets(st.integers(0, 6), min_size=1).map(lambda days: Recurrence(Frequency.WEEKLY, tuple(sorted(days))))
HOURLY = st.sampled_from(HOURLY_SHAPES).map(lambda shape: Recurrence(Frequency.HOURLY, (), *shape))
RECURRENCES = st.one_of(st.just(DAILY), WEEKLY, HOURLY)


def winter(zone: str) -> tuple[int, ...]:
    return Horizon(datetime(2026, 1, 10, 12, tzinfo=UTC)).offsets(resolve_zone(zone))


@pytest.mark.parametrize("option", range(NUM_OPTIONS))
def test_start_options_round_trip(option: int) -> None:
    """Each of the 48 start options comes back from its text."""
    assert parse_start(format_start(option)) == option


@pytest.mark.parametrize(
    "text", ["23:10", "24:00", "9pm", "9:00", "09:00:00", " 09:00", "09:00\n", "", "0900", "0\u0669:00"]
)
def test_times_off_the_grid_are_refused(text: str) -> None:
    """A start that is not on the half-hour grid is refused with the text and what is allowed."""
    with pytest.raises(ValueError, match="allowed: HH:00 or HH:30 from 00:00 to 23:30") as caught:
        parse_start(text)
    assert repr(text) in str(caught.value)


@given(st.integers(-20_000, 20_000))
def test_minutes_wrap_into_a_time_of_day(minute: int) -> None:
    """The text of a minute is the time of day that a clock shows after so many minutes."""
    clock = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    assert format_minute(minute) == f"{clock:%H:%M}"


@pytest.mark.parametrize("number", range(7))
def test_weekdays_are_numbered_as_python_does(number: int) -> None:
    """Names in any case, with blanks around them, give the number of ``date.weekday``."""
    name = f"{date(2026, 1, 5 + number):%A}"
    assert WEEKDAYS[number] == name
    assert {parse_weekday(text) for text in (name, name.lower(), name.upper(), f" {name} ")} == {number}


def test_an_unknown_weekday_is_refused() -> None:
    """A short or foreign weekday is refused with the names that are allowed."""
    with pytest.raises(ValueError, match="'Mon' is not a weekday; allowed: Monday, Tuesday"):
        parse_weekday("Mon")


@pytest.mark.parametrize("name", sorted(win_tz))
def test_every_windows_zone_has_a_clock(name: str) -> None:
    """Each Windows name resolves to the IANA zone of the CLDR table and has a usable offset."""
    zone = resolve_zone(name)
    assert zone.key == win_tz[name]
    assert -12 * 60 <= Horizon(datetime(2026, 6, 1, tzinfo=UTC)).nominal_offset(zone) <= 14 * 60


def test_windows_names_are_all_there() -> None:
    """No fewer Windows names are known than when the table was first counted."""
    assert len(win_tz) >= 142


@pytest.mark.parametrize("name", ["Europe/Berlin", "Etc/UTC", "Asia/Kathmandu", "Etc/GMT+12"])
def test_iana_names_resolve_to_themselves(name: str) -> None:
    """IANA names are accepted beside Windows names."""
    assert resolve_zone(name) == ZoneInfo(name)


@pytest.mark.parametrize(
    ("name", "minutes"),
    [
        ("Kamchatka Standard Time", 720),
        ("Mid-Atlantic Standard Time", -120),
        ("kamchatka STANDARD time", 720),
        ("w. europe standard time", 60),
        ("utc", 0),
        ("europe/berlin", 60),
    ],
)
def test_old_zones_are_known_and_case_does_not_matter(name: str, minutes: int) -> None:
    """Azure still offers two zones that the table of CLDR lacks, and it does not tell the cases of names apart."""
    assert Horizon(datetime(2026, 1, 10, 12, tzinfo=UTC)).nominal_offset(resolve_zone(name)) == minutes


@pytest.mark.parametrize(
    ("wrong", "offered"),
    [
        ("Europe/Berlinn", "'Europe/Berlin'"),
        ("W. Europe Standart Time", "'W. Europe Standard Time'"),
        ("Nepal Standart Time", "'Nepal Standard Time'"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest_names(wrong: str, offered: str) -> None:
    """The answer to a mistyped zone quotes it and offers what was probably meant."""
    with pytest.raises(ValueError, match="is not a time zone; allowed: Windows names") as caught:
        resolve_zone(wrong)
    assert repr(wrong) in str(caught.value)
    assert offered in str(caught.value)


@given(AS_OF)
@example(datetime(2026, 3, 1, tzinfo=UTC))
def test_the_horizon_begins_at_the_next_midnight(as_of: datetime) -> None:
    """The horizon is 30 whole UTC days from the first 00:00 UTC that is later than ``as_of``."""
    horizon = Horizon(as_of)
    assert horizon.start.time() == time(0)
    assert timedelta(0) < horizon.start - as_of <= timedelta(days=1)
    assert horizon.end - horizon.start == timedelta(days=30)
    assert horizon.dates() == [horizon.start.date() + timedelta(days=n) for n in range(30)]
    assert as_of - horizon.history_end == timedelta(hours=2, minutes=10)


@given(AS_OF, ZONES)
def test_the_horizon_does_not_depend_on_how_as_of_is_written(as_of: datetime, zone: ZoneInfo) -> None:
    """The same instant in another zone gives the same horizon."""
    there, here = Horizon(as_of.astimezone(zone)), Horizon(as_of)
    assert (there.start, there.history_end) == (here.start, here.history_end)


@pytest.mark.parametrize(
    ("zone", "offsets"),
    [
        ("UTC", (0,)),
        ("W. Europe Standard Time", (60, 120)),
        ("Nepal Standard Time", (345,)),
        ("India Standard Time", (330,)),
        ("Chatham Islands Standard Time", (825, 765)),
        ("Lord Howe Standard Time", (660, 630)),
        ("Line Islands Standard Time", (840,)),
        ("Dateline Standard Time", (-720,)),
    ],
)
def test_offsets_of_known_zones(zone: str, offsets: tuple[int, ...]) -> None:
    """In January the offset of the day stands first, and zones that change their clocks have both."""
    assert winter(zone) == offsets


def test_the_offset_of_the_season_stands_first() -> None:
    """In July the summer offset is the nominal one."""
    assert Horizon(datetime(2026, 7, 10, tzinfo=UTC)).offsets(ZoneInfo("Europe/Berlin")) == (120, 60)


@given(AS_OF, ZONES)
def test_offsets_are_all_that_the_clock_shows_from_a_year_before_to_a_year_after(
    as_of: datetime, zone: ZoneInfo
) -> None:
    """The offsets are those of every midnight UTC from a year before the start of the horizon to a year after."""
    horizon = Horizon(as_of)
    years = [horizon.start + timedelta(days=n) for n in range(-366, 367)]
    shown = {int(at.astimezone(zone).utcoffset() / timedelta(minutes=1)) for at in years}  # type: ignore[operator]
    assert sorted(horizon.offsets(zone)) == sorted(shown)


@pytest.mark.parametrize(("interval", "duration"), HOURLY_SHAPES)
def test_hourly_runs_keep_their_interval_round_the_clock(interval: int, duration: int) -> None:
    """Runs lie one interval apart, begin with the start, and leave one interval to tomorrow's first run."""
    runs = Recurrence(Frequency.HOURLY, (), interval, duration).runs_after_start
    assert runs[0] == 0
    assert all(later - earlier == 60 * interval for earlier, later in pairwise(runs))
    assert runs[-1] <= 60 * duration
    assert runs[-1] + 60 * interval <= 24 * 60
    assert runs[-1] + 60 * interval > min(60 * duration, 24 * 60 - 60 * interval)


def test_hourly_runs_of_common_policies() -> None:
    """Every 4 h for 12 h is four runs, every 4 h for 24 h is six."""
    assert Recurrence(Frequency.HOURLY, (), 4, 12).runs_after_start == (0, 240, 480, 720)
    assert Recurrence(Frequency.HOURLY, (), 4, 24).runs_after_start == (0, 240, 480, 720, 960, 1200)
    assert Recurrence(Frequency.HOURLY, (), 4, 24).runs_per_week == 42


@given(AS_OF, ZONES, RECURRENCES, st.integers(0, NUM_OPTIONS - 1))
def test_runs_lie_where_the_calendar_puts_them(
    as_of: datetime, zone: ZoneInfo, recurrence: Recurrence, option: int
) -> None:
    """In a week without a change of clocks the minutes of the runs are those of real local dates, seen in UTC."""
    horizon = Horizon(as_of)
    monday = horizon.start.date() + timedelta(days=7 - horizon.start.weekday())
    days = [monday + timedelta(days=n) for n in range(9)]
    nominal = timedelta(minutes=horizon.nominal_offset(zone))
    assume({datetime.combine(day, time(12), zone).utcoffset() for day in days} == {nominal})
    expected = []
    for day in days[:7]:
        if day.weekday() in recurrence.weekdays:
            start = datetime.combine(day, time(option // 2, option % 2 * 30), zone).astimezone(UTC)
            for later in recurrence.runs_after_start:
                run = start + timedelta(minutes=later)
                expected.append(run.weekday() * 1440 + run.hour * 60 + run.minute)
    minutes = recurrence.run_minutes(option, horizon.nominal_offset(zone))
    assert sorted(minutes.tolist()) == sorted(expected)
    assert len(minutes) == recurrence.runs_per_week


@given(HOURLY, st.integers(0, NUM_OPTIONS - 1))
def test_hourly_windows_start_where_azure_accepts_them(recurrence: Recurrence, today: int) -> None:
    """Windows of every length may start from 00:00 to 19:30, and today's start is kept even if it is later."""
    assert recurrence.options(today) == tuple(sorted({*range(LAST_HOURLY_OPTION + 1), today}))


def test_daily_and_weekly_backups_may_start_at_any_half_hour() -> None:
    """All 48 start options are open to daily and weekly policies."""
    assert DAILY.options(3) == Recurrence(Frequency.WEEKLY, (2,)).options(3) == tuple(range(NUM_OPTIONS))


@pytest.mark.parametrize(
    ("offsets", "step"), [([], 30), ([0, 120], 30), ([330], 30), ([0, 345], 15), ([825, 765], 15), ([-67], 1)]
)
def test_the_step_of_start_times_serves_every_zone(offsets: list[int], step: int) -> None:
    """Starts of all zones lie on multiples of the step in UTC, and no larger step would do."""
    assert common_start_step(offsets) == step


@given(st.integers(0, 1439))
def test_a_time_of_day_is_read_as_it_is_written(minute: int) -> None:
    """Reading is the inverse of writing, for every minute of the day."""
    assert parse_minute(format_minute(minute)) == minute


@pytest.mark.parametrize("text", ["24:00", "7:00", "07:60", "07:00 ", "", "0700", "\N{ARABIC-INDIC DIGIT ZERO}7:00"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    """Only HH:MM is read as a time of day."""
    with pytest.raises(ValueError, match="is not a time of day; allowed: HH:MM from 00:00 to 23:59"):
        parse_minute(text)


def test_offsets_are_written_with_their_sign() -> None:
    """An offset has a sign, hours and minutes."""
    assert [format_offset(minutes) for minutes in (0, 345, -210)] == ["+00:00", "+05:45", "-03:30"]


@pytest.mark.parametrize(
    ("recurrence", "runs", "days", "spacing", "rpo"),
    [
        (DAILY, 7, 1, 1440, 1560),
        (Recurrence(Frequency.WEEKLY, (0, 1, 4)), 3, 7 / 3, 3 * 1440, 3 * 1440 + 120),
        (Recurrence(Frequency.WEEKLY, (6,)), 1, 7, 7 * 1440, 7 * 1440 + 120),
        (Recurrence(Frequency.HOURLY, (), 4, 12), 28, 1, 720, 840),
        (Recurrence(Frequency.HOURLY, (), 6, 24), 28, 1, 360, 480),
    ],
)
def test_the_spacing_of_runs(recurrence: Recurrence, runs: int, days: float, spacing: int, rpo: int) -> None:
    """Runs a week, days between days with runs, the widest gap in minutes, and that gap with a start 2 h late."""
    assert recurrence.runs_per_week == runs
    assert recurrence.days_between_runs == pytest.approx(days)
    assert (recurrence.widest_spacing, recurrence.least_rpo) == (spacing, rpo)


def test_the_horizon_has_thirty_days_and_a_history_that_ends_before_the_estate_was_read() -> None:
    """The history ends 130 minutes before, so that the last window of a plan does not include its own pull."""
    horizon = Horizon(datetime(2026, 3, 2, 12, tzinfo=UTC))
    assert (horizon.start, horizon.end) == (datetime(2026, 3, 3, tzinfo=UTC), datetime(2026, 4, 2, tzinfo=UTC))
    assert (horizon.dates()[0], horizon.dates()[-1], len(horizon.dates())) == (date(2026, 3, 3), date(2026, 4, 1), 30)
    assert horizon.history_end == datetime(2026, 3, 2, 9, 50, tzinfo=UTC)
    assert horizon.rule_days == 366


@given(AS_OF, ZONES)
def test_a_settled_date_is_past_everywhere(as_of: datetime, zone: ZoneInfo) -> None:
    """In no time zone is it still that day, and the day after is still going on somewhere or just over."""
    settled = settled_date(as_of)
    assert as_of.astimezone(zone).date() > settled
    assert as_of.date() - settled == timedelta(days=2)


@pytest.mark.parametrize("year", [1970, 1999, 2100])
def test_instants_outside_the_supported_years_are_refused(year: int) -> None:
    """Usually a number that was read as a time; the message has the allowed years."""
    with pytest.raises(ValueError, match=f"^{year}-06-01T00:00:00\\+00:00 is out of range; allowed: .* 2000 to 2099$"):
        in_calendar(datetime(year, 6, 1, tzinfo=UTC))


def test_instants_are_converted_to_utc() -> None:
    """The first and the last supported year included, whatever the offset."""
    berlin = resolve_zone("Europe/Berlin")
    assert in_calendar(datetime(2000, 1, 1, tzinfo=berlin)) == datetime(1999, 12, 31, 23, tzinfo=UTC)
    assert in_calendar(datetime(2099, 12, 31, tzinfo=UTC)).tzinfo is UTC


def test_slots_are_named_by_their_weekday() -> None:
    """The first slot is Monday 00:00, the last Sunday 23:30."""
    assert (format_slot(0), format_slot(335)) == ("Monday 00:00", "Sunday 23:30")
