"""Write windows minute by minute against slow loops: backups old and new, recovery points, freezes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.rule_windows import DateRange
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.ports import Resource
from optimizer.rollout.calendar.spans import to_seconds
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.rollout.writes.write import Write
from tests.plan.estates import VAULT, hourly_policy, policy_id, standard_policy, vm_id
from tests.rollout.small_rollouts import (
    NOW,
    is_clear,
    item_write,
    longest_gap_hours,
    readings,
    runs,
    weekly_policy,
    world,
)

DAILY = standard_policy("daily", "23:00")
BERLIN = standard_policy("berlin", "23:00", zone="W. Europe Standard Time")
WEEKLY = weekly_policy("weekly", "23:00", ["Sunday"])
TWICE = weekly_policy("twice", "22:00", ["Wednesday", "Saturday"])
STARTS = st.integers(0, 47).map(lambda option: f"{option // 2:02d}:{option % 2 * 30:02d}")


def gates(policy: Resource, *rules: Rule) -> WriteWindows:
    given = world([policy], {"a": str(policy["name"])}, {}, Rules(rule=rules), a="shop")
    return WriteWindows(given.inventory, given.rules)


def texts(windows: list[tuple[datetime, datetime]], number: int = 2) -> list[str]:
    return [f"{opens:%a %H:%M}-{closes:%a %H:%M}" for opens, closes in windows[:number]]


def open_minutes(windows: list[tuple[datetime, datetime]], days: int) -> set[int]:
    return {
        minute
        for minute in range(days * 24 * 60)
        if any(opens <= NOW + timedelta(minutes=minute) < closes for opens, closes in windows)
    }


WORKED = [
    # 23:00 -> 06:00: two hours of room on the side of the smaller gap
    (DAILY, "23:00", "06:00", ["Thu 01:30-Thu 03:30", "Fri 01:30-Fri 03:30"]),
    # 23:00 -> 04:30 leaves exactly half an hour there, 04:00 none: then the other side of both
    (DAILY, "23:00", "04:30", ["Thu 01:30-Thu 02:00", "Fri 01:30-Fri 02:00"]),
    (DAILY, "23:00", "04:00", ["Wed 09:00-Wed 20:30", "Thu 06:30-Thu 20:30"]),
    (DAILY, "23:00", "22:00", ["Wed 09:00-Wed 19:30", "Thu 01:30-Thu 19:30"]),
    # clocks in doubt count at both readings: 23:00 is 21:00 and 22:00 UTC
    (BERLIN, "23:00", "22:00", ["Wed 09:00-Wed 17:30", "Thu 00:30-Thu 17:30"]),
    (WEEKLY, "23:00", "22:00", ["Wed 09:00-Sun 19:30", "Mon 01:30-Sun 19:30"]),
    # in the night before the day of the backup
    (TWICE, "22:00", "06:00", ["Thu 00:30-Sat 03:30", "Sun 00:30-Wed 03:30"]),
    # every 4 h from 08:00 to 20:00, an hour later: after the runs, a quarter of an hour before the next
    (hourly_policy("hourly", "08:00", 0), "08:00", "09:00", ["Wed 11:15-Wed 11:45", "Wed 15:15-Wed 15:45"]),
    # two hours later nothing is clear of both: then clear of what runs, and not right before what will
    (hourly_policy("dense", "08:00", 0), "08:00", "10:00", ["Wed 09:00-Wed 09:45", "Wed 10:15-Wed 11:45"]),
]


@pytest.mark.parametrize(("policy", "before", "after", "expected"), WORKED)
def test_worked_examples(policy: Resource, before: str, after: str, expected: list[str]) -> None:
    """Windows of writes at 09:00 on a Wednesday."""
    given = gates(policy)
    if policy["name"] == "dense":
        policy["properties"]["schedulePolicy"]["hourlySchedule"]["scheduleWindowDuration"] = 23
        given = gates(policy)
        expected = ["Wed 10:15-Wed 11:45", "Wed 14:15-Wed 15:45"]
    assert texts(given.windows(item_write("a", before, after), NOW)) == expected


@pytest.mark.thorough
@settings(max_examples=12)
@given(st.sampled_from([DAILY, BERLIN, WEEKLY, TWICE]), STARTS, STARTS)
def test_every_open_minute_is_one_that_a_slow_loop_opens(policy: Resource, before: str, after: str) -> None:
    """Open means clear of runs and within the RPO; what is clear and closed has a gap that is no smaller."""
    given = world([policy], {"a": str(policy["name"])}, {}, Rules())
    (model,) = given.inventory.policies.values()
    spacing = {"daily": 24, "berlin": 24, "weekly": 168, "twice": 96}[model.name]
    opened = open_minutes(WriteWindows(given.inventory, Rules()).windows(item_write("a", before, after), NOW), 8)
    if before == after:
        return
    largest, run = 0.0, 0
    gaps: dict[int, float] = {}
    for minute in range(0, 8 * 24 * 60, 15):
        at = NOW + timedelta(minutes=minute)
        clear = is_clear(model, before, after, at)
        gap = longest_gap_hours(model, before, after, at)
        run = run + 15 if clear else 0
        if minute in opened:
            assert clear
            assert gap <= spacing + 12
            largest = max(largest, gap)
        elif clear and run >= 30:
            gaps[minute] = gap
    assert all(gap > spacing + 12 or gap >= largest for gap in gaps.values())


@settings(max_examples=25)
@given(STARTS, st.integers(-4, 4), st.sampled_from([4, 6, 8, 12]), st.integers(4, 23))
def test_hourly_writes_keep_away_from_runs(before: str, by: int, interval: int, duration: int) -> None:
    """No write while an old run may be going on, nor a quarter of an hour before a run, old or new."""
    policy = hourly_policy("hourly", before, 0)
    schedule = policy["properties"]["schedulePolicy"]["hourlySchedule"]
    schedule |= {"interval": interval, "scheduleWindowDuration": duration}
    option = int(before[:2]) * 2 + int(before[3:]) // 30
    after = f"{(option + by) % 48 // 2:02d}:{(option + by) % 2 * 30:02d}"
    given = world([policy], {"a": "hourly"}, {}, Rules())
    (model,) = given.inventory.policies.values()
    windows = WriteWindows(given.inventory, Rules()).windows(item_write("a", before, after), NOW, 2)
    assert windows
    (offset,) = readings(model, NOW)
    for opens, closes in windows:
        for run in runs(model, before, offset, opens):
            assert closes <= run - timedelta(minutes=15) or opens >= run + timedelta(minutes=135)
        for run in runs(model, after, offset, opens):
            assert closes <= run - timedelta(minutes=15) or opens > run


def test_a_gap_beyond_the_rpo_closes_a_write_for_good() -> None:
    """23:00 -> 04:00 has room only where it leaves 31 h: with a limit of 30 h there is no time, and it is said why."""
    given = gates(DAILY, Rule(name="short gaps", rpo_hours=30))
    write = item_write("a", "23:00", "04:00")
    assert given.windows(write, NOW) == []
    reason = "it would leave up to 31 h between two recovery points; the limit is 30 h by rule 'short gaps'"
    assert given.why_never(write, to_seconds(NOW)) == reason
    assert given.closed(write, NOW) == reason


def test_the_better_side_is_waited_for() -> None:
    """A write that has a better time of day is closed at others, with the reason."""
    given = gates(DAILY)
    write = item_write("a", "23:00", "06:00")
    assert "another time of day is better: it would leave up to 33 h" in given.closed(write, NOW)
    assert "too close to a backup at 23:00 (old) or 06:00 (new)" in given.closed(write, NOW.replace(hour=5))
    assert given.closed(write, NOW.replace(hour=2)) == ""


@pytest.mark.parametrize(
    ("policy", "before", "after", "why"),
    [
        (DAILY, "23:00", "06:00", "after the 23:00 backup"),
        (DAILY, "23:00", "04:00", "clear of 04:00"),
        (BERLIN, "23:00", "22:00", "after the 23:00 backup"),
        (WEEKLY, "23:00", "22:00", "after the 23:00 backup"),
        (hourly_policy("hourly", "08:00", 0), "08:00", "09:00", "between two backups"),
    ],
)
def test_an_opening_has_a_reason(policy: Resource, before: str, after: str, why: str) -> None:
    """What the gate waits for is stated with the time at which it opens; an open gate waits for nothing."""
    given, write = gates(policy), item_write("a", before, after)
    opens = next(first for first, _ in given.windows(write, NOW) if first > NOW)
    assert given.why_from(write, opens) == why
    assert given.why_from(write, opens + timedelta(minutes=2)) == ""


def test_an_opening_after_a_freeze_has_a_reason() -> None:
    """The end of a freeze goes before backups."""
    write = item_write("a", "12:00", "11:00")
    given = gates(BERLIN, FREEZE)
    assert given.why_from(write, given.windows(write, NOW)[0][0]) == "when the freeze of the rules ends"


def test_an_actual_recovery_point_closes_a_write() -> None:
    """Where last night's backup is missing and the limit is two days, the write waits for the next one."""
    given = gates(DAILY, Rule(name="two days", rpo_hours=51))
    write = item_write("a", "23:00", "01:00")
    assert given.closed(write, NOW) == ""
    assert given.closed(write, NOW, {vm_id("a").lower(): NOW - timedelta(hours=10)}) == ""
    missed = given.closed(write, NOW, {vm_id("a").lower(): NOW - timedelta(hours=34)})
    assert missed == "it would leave up to 52 h between two recovery points; the limit is 51 h by rule 'two days'"
    for_long = {vm_id("a").lower(): NOW - timedelta(days=9)}
    assert given.closed(write, NOW, for_long) == ""


def test_a_policy_is_gated_by_all_its_vms() -> None:
    """An edit keeps the smallest limit and every freeze of its VMs."""
    freeze = DateRange(first=date(2026, 2, 19), last=date(2026, 2, 19))
    rules = Rules(
        rule=(
            Rule(name="short", where=Selector(name="a"), rpo_hours=30),
            Rule(name="day off", where=Selector(name="b"), freeze=(freeze,)),
        )
    )
    given = world([DAILY], {"a": "daily", "b": "daily"}, {}, rules)
    both = Write(
        1, "edit_policy", VAULT, policy_id("daily"), "daily", {}, None, (vm_id("a"), vm_id("b")), "23:00", "04:00"
    )
    assert WriteWindows(given.inventory, rules).windows(both, NOW) == []
    only_b = item_write("b", "23:00", "04:00")
    assert texts(WriteWindows(given.inventory, rules).windows(only_b, NOW)) == [
        "Wed 09:00-Wed 20:30",
        "Fri 06:30-Fri 20:30",
    ]


FREEZE = Rule(
    name="carnival",
    where=Selector(service="shop"),
    freeze=(DateRange(first=date(2026, 2, 18), last=date(2026, 2, 19)),),
)


def test_freezes_are_days_of_the_policys_zone() -> None:
    """A frozen day in Berlin ends at 23:00 UTC in winter."""
    write = item_write("a", "12:00", "11:00")
    opens = gates(BERLIN, FREEZE).windows(write, NOW)[0][0]
    assert opens == datetime(2026, 2, 19, 23, tzinfo=UTC)
    assert gates(BERLIN, FREEZE).closed(write, NOW) == "changes are frozen by the rules until 2026-02-19 23:00 UTC"


def test_a_creation_is_frozen_while_every_vm_of_its_vault_is() -> None:
    """A new policy concerns no VM: it waits only where nothing in the vault may be written."""
    creation = Write(1, "create_policy", VAULT, policy_id("new"), "new", {}, None)
    end = datetime(2026, 2, 20, tzinfo=UTC)
    assert gates(DAILY, FREEZE).windows(creation, NOW)[0][0] == end
    other = world([DAILY], {"a": "daily", "b": "daily"}, {}, Rules(rule=(FREEZE,)), a="shop", b="mail")
    assert WriteWindows(other.inventory, other.rules).windows(creation, NOW)[0][0] == NOW


def test_a_freeze_without_end_is_said() -> None:
    """A write that stays frozen has no window, and the rule is named."""
    forever = Rule(name="never", freeze=(DateRange(first=date(1, 1, 1), last=date(9999, 12, 31)),))
    write = item_write("a", "23:00", "06:00")
    assert gates(DAILY, forever).windows(write, NOW) == []
    assert "is frozen by rule 'never'" in gates(DAILY, forever).why_never(write, to_seconds(NOW))
