"""Working hours: how many backups are expected to start in them, and how far a start is from them."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.config import parse_rules
from optimizer.errors import ConfigError
from optimizer.model.rules import Rules
from optimizer.model.snapshot_timing import USUAL_TIMING, SnapshotTiming
from optimizer.model.timegrid import Frequency, Recurrence, parse_start
from optimizer.model.working_hours import WorkingHours
from tests.model.timings import delays

DAILY = Recurrence(Frequency.DAILY)
SUNDAYS = Recurrence(Frequency.WEEKLY, (6,))
HOURLY = Recurrence(Frequency.HOURLY, (), 4, 12)
WEEK = 30 / 7
NIGHT_SHIFT = WorkingHours.model_validate({"from": "22:00", "to": "06:00", "days": ["Sunday"]})
MONDAY_NIGHT = WorkingHours.model_validate({"from": "00:00", "to": "04:15", "days": ["Monday", "Monday"]})
ONE_HOUR = WorkingHours.model_validate({"from": "12:00", "to": "13:00", "days": ["Monday", "Sunday"]})
ALWAYS = WorkingHours.model_validate(
    {
        "from": "00:00",
        "to": "24:00",
        "days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    }
)


@pytest.mark.parametrize(
    ("hours", "recurrence", "start", "per_week"),
    [
        pytest.param(WorkingHours(), DAILY, "06:00", 0, id="two hours before"),
        pytest.param(WorkingHours(), DAILY, "06:30", 5 / 4, id="a delay of 90 minutes or more reaches them"),
        pytest.param(WorkingHours(), DAILY, "07:30", 5 * 3 / 4, id="three delays out of four reach them"),
        pytest.param(WorkingHours(), DAILY, "08:00", 5, id="from is included"),
        pytest.param(WorkingHours(), DAILY, "16:00", 5, id="every delay ends in them"),
        pytest.param(WorkingHours(), DAILY, "17:30", 5 / 4, id="last half hour: a delay leads out of them"),
        pytest.param(WorkingHours(), DAILY, "18:00", 0, id="to is not included"),
        pytest.param(WorkingHours(), SUNDAYS, "12:00", 0, id="a weekly backup on a free day"),
        pytest.param(WorkingHours(), HOURLY, "06:00", 10, id="every run counts: 10:00 and 14:00, not 06:00 and 18:00"),
        pytest.param(
            WorkingHours(), HOURLY, "05:30", 5 * 2.25, id="every run: 09:30 and 13:30 whole, 17:30 a quarter"
        ),
        pytest.param(NIGHT_SHIFT, DAILY, "23:00", 1, id="past midnight: on the day on which it begins"),
        pytest.param(NIGHT_SHIFT, DAILY, "05:30", 1 / 4, id="past midnight: on the day after"),
        pytest.param(NIGHT_SHIFT, DAILY, "21:00", 1 / 2, id="the delay leads into the night shift"),
        pytest.param(NIGHT_SHIFT, SUNDAYS, "05:30", 0, id="Sunday morning belongs to Saturday's night"),
        pytest.param(
            MONDAY_NIGHT, SUNDAYS, "23:00", 1 / 2, id="past the end of the week, where the hours begin again"
        ),
        pytest.param(ONE_HOUR, DAILY, "11:30", 2 / 2, id="hours shorter than the delay: half of each start, two days"),
        pytest.param(ALWAYS, HOURLY, "22:00", 28, id="whole days: every backup counts, and counts once"),
    ],
)
def test_expected_starts_are_counted_on_the_clock_of_the_policy(
    hours: WorkingHours, recurrence: Recurrence, start: str, per_week: float
) -> None:
    """Each run counts with the share of its two hours of delay that lies in the hours."""
    assert hours.starts(recurrence, USUAL_TIMING)[parse_start(start)] == pytest.approx(per_week * WEEK)


@pytest.mark.parametrize("hours", [WorkingHours(), NIGHT_SHIFT, MONDAY_NIGHT, ONE_HOUR, ALWAYS])
@pytest.mark.parametrize("recurrence", [DAILY, SUNDAYS, HOURLY])
def test_expected_starts_are_what_a_count_of_all_delays_says(hours: WorkingHours, recurrence: Recurrence) -> None:
    """The same as counting the starts at each of the 120 minutes of delay, for every start option."""
    at_work = {(day * 1440 + hours.start + minute) % 10080 for day in hours.days for minute in range(hours.minutes)}
    for option, expected in enumerate(hours.starts(recurrence, USUAL_TIMING).tolist()):
        runs = recurrence.run_minutes(option, 0).tolist()
        counted = sum((run + delay) % 10080 in at_work for run in runs for delay in range(120))
        assert expected == pytest.approx(counted / 120 * WEEK)


def test_the_night_is_far_from_working_hours() -> None:
    """The two hours of a start are as far from 18:00 as from 08:00 at midnight; near the hours they touch."""
    distance = WorkingHours().distance(DAILY)
    assert distance[parse_start("00:00")] == 6 * 60
    assert distance[parse_start("22:00")] == 4 * 60
    assert distance[parse_start("07:30")] == 0
    assert distance[parse_start("12:00")] == 0
    assert int(distance.argmax()) == parse_start("00:00")
    assert not WorkingHours().distance(HOURLY).any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('working_hours = { from = "08:00", to = "08:00" }', "the window from 08:00 to 08:00 has no length"),
        ("working_hours = { days = [] }", "working_hours > days"),
        ('working_hours = { zone = "UTC" }', "'zone' does not belong here"),
        ("working_hours = { from = 8 }", 'write it as text, as in "20:00"'),
        ("prices = { working_hours = -1 }", "0 or more"),
    ],
)
def test_mistakes_are_answered(text: str, said: str) -> None:
    """What cannot be meant is refused with the key and what is allowed."""
    with pytest.raises(ConfigError) as refused:
        parse_rules(text, "rules.toml")
    assert said in str(refused.value)


def test_working_hours_are_dumped_whole() -> None:
    """A plan says which hours it was made with, also where they are the default."""
    hours = WorkingHours.model_validate({"from": "07:00", "days": ["Monday"]})
    assert Rules().model_dump(mode="json")["working_hours"]["to"] == "18:00"
    assert Rules.model_validate(Rules(working_hours=hours).model_dump(mode="json")).working_hours == hours


@pytest.mark.parametrize("hours", [WorkingHours(), NIGHT_SHIFT, ONE_HOUR])
def test_known_delays_count_with_their_shares(hours: WorkingHours) -> None:
    """The same as counting each half minute of each delay, which is spread over the 5 minutes around it."""
    timing = SnapshotTiming(15, delays(m0=0.25, m30=0.5, m120=0.25))
    at_work = {(day * 1440 + hours.start + minute) % 10080 for day in hours.days for minute in range(hours.minutes)}
    found = hours.starts(DAILY, timing)
    for option in range(0, 48, 5):
        expected = 0.0
        for run in DAILY.run_minutes(option, 0).tolist():
            for delay, share in ((0, 0.25), (30, 0.5), (120, 0.25)):
                cells = [int(run + delay - 2.5 + (cell + 0.5) / 2 + 10080) % 10080 for cell in range(10)]
                expected += share * sum(minute in at_work for minute in cells) / 10
        assert found[option] == pytest.approx(expected * WEEK)


def test_the_longest_day_of_work_counts_every_backup_whatever_its_delay() -> None:
    """Around the clock, each of the 30 daily backups starts in working hours."""
    assert ALWAYS.starts(DAILY, SnapshotTiming(15, delays(m0=0.5, m120=0.5))) == pytest.approx(np.full(48, 30.0))
