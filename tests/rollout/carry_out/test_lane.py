"""A lane during a run: what comes next, what rests, and when to look again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from optimizer.model.arm_id import ArmId
from optimizer.rollout.calendar.timed_writes import TimedWrite
from optimizer.rollout.carry_out.lane import Lane
from optimizer.rollout.carry_out.outcome import Attempt, End
from optimizer.rollout.carry_out.pace import Pace
from tests.rollout.small_rollouts import NOW, item_write

LOCKED = Attempt(End.LATER, "locked", "write")
HOUR = timedelta(hours=1)


def timed(number: int, opens_in: timedelta, closes_in: timedelta = 4 * HOUR) -> TimedWrite:
    """A write with its window."""
    write = replace(item_write(f"vm{number}", "23:00", "02:00"), number=number)
    return TimedWrite(write, NOW + opens_in, NOW + opens_in, NOW + closes_in, day=1)


def lane(*writes: TimedWrite, **pace: float) -> Lane:
    """A lane with its calendar."""
    found = Lane(0, (ArmId("/vault"),), replace(Pace(tries=3, busy_seconds=60.0), **pace), NOW)
    found.lay_out(writes)
    return found


def test_a_success_does_not_forget_the_troubles_of_other_writes() -> None:
    """A write that keeps failing is given up although others of its lane succeed in between."""
    found = lane()
    for minute in range(3):
        found.write_met_trouble(1, LOCKED, NOW + timedelta(minutes=minute))
        found.succeeded(2 + minute)
    assert found.rests(1, NOW + timedelta(days=1))
    found.write_met_trouble(9, Attempt(End.LATER, "running", "operation"), NOW)
    assert not found.rests(9, NOW + timedelta(days=1))


def test_the_calendar_is_walked_once_until_it_is_rewound() -> None:
    """Each look goes on where the last one ended."""
    found = lane(timed(1, HOUR), timed(2, HOUR))
    assert [next(found.upcoming()).write.number for _ in range(2)] == [1, 2]
    assert list(found.upcoming()) == []
    found.rewind()
    assert [item.write.number for item in found.upcoming()] == [1, 2]


def test_the_next_opening_is_that_of_a_write_that_neither_ended_nor_rests() -> None:
    """A write that is open already is looked at again soon instead of at once."""
    found = lane(timed(1, HOUR), timed(2, 2 * HOUR), timed(3, 3 * HOUR))
    found.write_met_trouble(2, Attempt(End.LATER, "locked", "write", 9 * 3600.0), NOW)
    assert found.next_opening(NOW, {1}) == NOW + 3 * HOUR
    assert found.next_opening(NOW + 3.5 * HOUR, {1}) == NOW + 3.5 * HOUR + timedelta(seconds=60)
    assert found.next_opening(NOW, {1, 3}) is None
    assert found.next_retry(NOW, {1}) == NOW + 9 * HOUR
    assert found.resting_until(NOW + 9 * HOUR) == [2]


def test_a_calendar_is_outdated_once_a_window_has_closed() -> None:
    """The window of a write that has ended does not matter."""
    found = lane(timed(1, HOUR, 2 * HOUR), timed(2, HOUR, 5 * HOUR))
    assert not found.is_outdated(NOW + 1.9 * HOUR, ())
    assert found.is_outdated(NOW + 2 * HOUR, ())
    assert not found.is_outdated(NOW + 2 * HOUR, {1})


def test_a_lane_rests_longer_with_each_trouble_and_ends_after_too_many() -> None:
    """The write that met the trouble comes first again; a missing right ends the lane at once."""
    found = lane(timed(1, HOUR))
    next(found.upcoming())
    for minutes in (1, 2):
        found.met_trouble(Attempt(End.LATER, "no answer", "lane"), NOW)
        assert (found.ready_at, found.over) == (NOW + timedelta(minutes=minutes), False)
    assert [item.write.number for item in found.upcoming()] == [1]
    found.met_trouble(Attempt(End.LATER, "no answer", "lane"), NOW)
    assert (found.over, found.resume_at) == (True, NOW + timedelta(minutes=4))
    refused = lane()
    refused.met_trouble(Attempt(End.FAILED, "no right", "rights"), NOW)
    assert (refused.over, refused.resume_at, refused.reason) == (True, None, "no right")


def test_a_later_run_may_try_what_this_one_gave_up() -> None:
    """Not before the write has rested."""
    found = lane(tries=1)
    found.write_met_trouble(1, Attempt(End.LATER, "locked", "write", 7200.0), NOW)
    assert found.next_retry(NOW, ()) is None
    assert found.later_retry(NOW, ()) == NOW + 2 * HOUR
    assert found.later_retry(NOW, {1}) is None
