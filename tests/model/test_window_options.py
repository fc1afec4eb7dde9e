"""Windows of rules hold through every clock change of the coming year, for the search and for the verifier."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory, Policy, Vault
from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule
from optimizer.model.snapshot_timing import USUAL_TIMING, SnapshotTiming
from optimizer.model.timegrid import Horizon, Recurrence, format_start, resolve_zone
from optimizer.model.window_options import options_allowed, options_clear_of, options_within, windows_in_utc
from optimizer.verifier.window_clock import WindowClock
from tests.solve.examples import DAILY, HOURLY, WORKDAYS, policy

WINTER, SUMMER = datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 7, 10, tzinfo=UTC)
BERLIN, UTC_ZONE = "Europe/Berlin", "UTC"
LENGTH = timedelta(hours=2, minutes=15)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]


def clock_of(as_of: datetime) -> WindowClock:
    """Clock of the verifier for policies of one vault."""
    return WindowClock(Inventory(as_of, {ArmId("v"): Vault(ArmId("v"), "v")}, {}, {}, ()))


def allowed(rule: Rule, one: Policy, as_of: datetime) -> list[str]:
    """Starts that a rule leaves to the VMs of a policy."""
    horizon = Horizon(as_of)
    options = options_allowed(rule, one.pattern(horizon, USUAL_TIMING), one.timezone, horizon)
    return [format_start(option) for option in options.nonzero()[0].tolist()]


def window(start: int, end: int, zone: str | None = None, **more: object) -> Window:
    """A window between two hours of the day."""
    return Window(start=60 * start, end=60 * end, zone=zone, **more)  # type: ignore[arg-type]  # named by the caller


def _open(windows: tuple[Window, ...], zone: str, moment: datetime) -> bool:
    """Whether a moment lies in a window, looking at the windows that began on the days around it."""
    for one in windows:
        place = resolve_zone(one.zone or zone)
        for back in (-1, 0, 1, 2):
            day = moment.astimezone(place).date() - timedelta(days=back)
            opens = datetime.combine(day, time.min) + timedelta(minutes=one.start)
            closes = opens + timedelta(minutes=one.minutes)
            if one.begins_on(day) and (
                opens.replace(tzinfo=place).astimezone(UTC) <= moment < closes.replace(tzinfo=place).astimezone(UTC)
            ):
                return True
    return False


def broken(rule: Rule, one: Policy, option: int, as_of: datetime) -> bool:
    """Whether any start window of the coming year breaks a rule, minute by minute in steps of a quarter of an hour."""
    start = Horizon(as_of).start
    offsets = {
        (start + timedelta(days=n)).astimezone(resolve_zone(one.timezone)).utcoffset() or timedelta()
        for n in range(-366, 367)
    }
    steps = [timedelta(minutes=15 * n) for n in range(9)]
    for n in range(-2, 368):
        day = start + timedelta(days=n)
        if day.weekday() not in one.recurrence.weekdays:
            continue
        for run in one.recurrence.runs_after_start:
            for offset in offsets:
                begin = day + timedelta(minutes=30 * option + run) - offset
                if not start <= begin < start + timedelta(days=366):
                    continue
                inside = [_open(rule.forbid, one.timezone, begin + step) for step in steps]
                outside = [bool(rule.allow) and not _open(rule.allow, one.timezone, begin + step) for step in steps]
                if any(inside) or any(outside):
                    return True
    return False


@pytest.mark.parametrize("as_of", [WINTER, SUMMER])
def test_a_window_in_another_zone_than_the_policys_holds_after_the_next_clock_change(as_of: datetime) -> None:
    """07:00 in Berlin is 06:00 UTC in winter and 05:00 UTC in summer: 03:00 UTC ends too late for the latter."""
    rule = Rule(name="working hours", forbid=(window(7, 19, BERLIN),))
    found = allowed(rule, policy("p", "v", 46), as_of)
    assert found == [f"{h:02d}:{m}" for h in (0, 1, 2) for m in ("00", "30")] + [
        f"{h}:{m}" for h in (18, 19, 20, 21, 22, 23) for m in ("00", "30")
    ]


@pytest.mark.parametrize("as_of", [WINTER, SUMMER])
def test_a_window_in_the_policys_own_zone_holds_whichever_way_azure_reads_the_clock(as_of: datetime) -> None:
    """A schedule that keeps its UTC time starts an hour late in summer or an hour early in winter."""
    rule = Rule(name="night", allow=(window(20, 2),))
    assert allowed(rule, policy("p", "v", 46, zone=BERLIN), as_of) == ["21:00", "21:30", "22:00", "22:30"]


def test_a_zone_that_keeps_its_clock_loses_nothing() -> None:
    """A policy and a window in UTC: the whole start window fits, and nothing more is asked."""
    rule = Rule(name="night", allow=(window(20, 2),))
    assert allowed(rule, policy("p", "v", 46), WINTER) == [f"{h}:{m}" for h in (20, 21, 22, 23) for m in ("00", "30")]


def test_windows_on_dates_bind_within_the_horizon_only() -> None:
    """A date of next month forbids its hours, a date half a year ahead is left to the plans of the months between."""
    soon = Rule(name="soon", forbid=(window(0, 12, dates=(date(2026, 1, 20),)),))
    later = Rule(name="later", forbid=(window(0, 12, dates=(date(2026, 7, 20),)),))
    clock = clock_of(WINTER)
    for rule, count in ((soon, 48 - 24 - 4), (later, 48)):
        assert len(allowed(rule, policy("p", "v", 46), WINTER)) == count
        assert sum(clock.fits(rule, policy("p", "v", 46), option) for option in range(48)) == count


@st.composite
def _cases(draw: st.DrawFn) -> tuple[Rule, Policy, datetime]:
    """A rule with windows of the week, and a policy, whose clocks need not be the same."""
    start, zone = draw(st.integers(0, 23)), draw(st.sampled_from([None, *ZONES]))
    days = draw(st.sampled_from([None, (0, 1, 2, 3, 4), (6,)]))
    one = window(start, start + draw(st.integers(1, 24 - start)), zone, days=days)
    other = window(19, 7, draw(st.sampled_from(ZONES)))
    rule = draw(
        st.sampled_from(
            [Rule(name="r", forbid=(one,)), Rule(name="r", allow=(other,)), Rule(name="r", allow=(one, other))]
        )
    )
    recurrence: Recurrence = draw(st.sampled_from([DAILY, WORKDAYS, HOURLY]))
    made = policy("p", "v", 20, recurrence, draw(st.sampled_from(ZONES)))
    return rule, made, draw(st.sampled_from([WINTER, SUMMER, datetime(2026, 3, 20, tzinfo=UTC)]))


@settings(max_examples=12, deadline=None)
@given(_cases(), st.data())
def test_search_and_verifier_agree_with_the_slow_loop(
    case: tuple[Rule, Policy, datetime], data: st.DataObject
) -> None:
    """A start is allowed exactly where no start window of the coming year, at any UTC offset, breaks the rule."""
    rule, one, as_of = case
    left, clock = allowed(rule, one, as_of), clock_of(as_of)
    is_allowed = [format_start(option) in left for option in range(48)]
    assert [clock.fits(rule, one, option) for option in range(48)] == is_allowed
    edges = [option for option in range(48) if is_allowed[option] != is_allowed[option - 1]]  # where mistakes show
    option = data.draw(st.sampled_from([*edges, *(edge - 1 for edge in edges if edge), 0]))
    assert is_allowed[option] != broken(rule, one, option, as_of)


def begins(*minutes: int) -> np.ndarray:
    """Begins of start windows of every option: those given for the first, none for the others."""
    rows = np.full((48, len(minutes)), -1)
    rows[0] = minutes
    return rows


@pytest.mark.parametrize(
    ("minutes", "intervals", "within", "clear"),
    [
        ((100,), [(100, 235)], True, False),
        ((100,), [(101, 300)], False, False),
        ((100,), [(0, 234)], False, False),
        ((100,), [(0, 100), (235, 300)], False, True),
        ((100,), [(0, 150), (160, 300)], False, False),
        ((100, 500), [(0, 700)], True, False),
        ((100, 500), [(0, 300)], False, False),
        ((100, 500), [(300, 400)], False, True),
        ((100,), [], False, True),
        ((-1,), [(0, 10)], True, True),
        ((-1,), [], True, True),
    ],
)
def test_windows_lie_inside_or_clear_of_intervals(
    minutes: tuple[int, ...], intervals: list[tuple[int, int]], within: bool, clear: bool
) -> None:
    """Intervals are half open: a window may end where one begins, and every window of an option has to qualify."""
    spans = np.array(intervals, dtype=np.int64).reshape(-1, 2)
    assert bool(options_within(begins(*minutes), 135, spans)[0]) is within
    assert bool(options_clear_of(begins(*minutes), 135, spans)[0]) is clear


def test_windows_of_rules_that_touch_become_one_interval() -> None:
    """In UTC minutes after the start of the horizon, joined across midnight, with two days on each side."""
    horizon = Horizon(WINTER)
    found = windows_in_utc([window(20, 24, "UTC"), window(0, 6, "UTC")], "UTC", horizon, 1)
    assert (60 * 20, 60 * 30) in {tuple(span) for span in found.tolist()}
    assert windows_in_utc([], "UTC", horizon, 1).shape == (0, 2)


def test_a_longer_snapshot_leaves_fewer_starts() -> None:
    """In a window of 2 h 15 min fits a snapshot of 15 minutes, and not one of 16."""
    rule, horizon = Rule(name="r", allow=(Window(start=1200, end=1335, zone="UTC"),)), Horizon(WINTER)
    for minutes, starts in ((15, [40]), (16, [])):
        pattern = policy("p", "v", 40).pattern(horizon, SnapshotTiming(minutes))
        assert options_allowed(rule, pattern, "UTC", horizon).nonzero()[0].tolist() == starts
