"""Writes of one lane while the calendar is built."""

from __future__ import annotations

from optimizer.model.arm_id import ArmId
from optimizer.rollout.calendar.budget import WriteBudget
from optimizer.rollout.calendar.lane_queue import LaneQueue

HERE = (ArmId("/v/one"), "policy")
THERE = (ArmId("/v/two"), "policy")
SPANS = {0: [(10, 20)], 1: [(10, 20)], 2: [(15, 30), (40, 50)]}


def spans_of(n: int) -> list[tuple[int, int]]:
    return SPANS[n]


def queue() -> LaneQueue:
    """Writes 0 and 1 of one window, write 2 of another."""
    found = LaneQueue()
    for n, window in ((0, 7), (1, 7), (2, 8)):
        found.add(n, window)
    found.start(0, spans_of)
    return found


def test_windows_open_one_after_the_other() -> None:
    """A write is returned when its window opens, and again when it opens the next time."""
    lane = queue()
    assert lane.opened(9, {0, 1, 2}, spans_of) == []
    assert lane.opened(10, {0, 1, 2}, spans_of) == [0, 1]
    assert lane.next_turn(10) == 15
    assert lane.opened(15, {0, 1, 2}, spans_of) == [2]
    assert lane.next_turn(15) == 40
    assert lane.opened(45, {0, 1}, spans_of) == []  # made meanwhile
    assert lane.next_turn(45) is None


def test_a_window_that_is_open_at_the_start_counts() -> None:
    """Also one that opens exactly then."""
    for first in (10, 12):
        lane = LaneQueue()
        lane.add(0, 7)
        lane.start(first, spans_of)
        assert set(lane.opened(first, {0}, spans_of)) == {0}


def test_the_first_write_of_the_plan_whose_budget_has_room_is_taken() -> None:
    """A full budget holds up its own writes only; without any room, the lane waits for the first that is free."""
    lane, full = LaneQueue(), WriteBudget((1, 100))
    full.add(0)
    lane.put(1, HERE, lambda: full)
    lane.put(3, THERE, WriteBudget)
    lane.put(2, THERE, WriteBudget)
    taken = [lane.pop(5), lane.pop(5), lane.pop(5)]
    assert [pair and pair[0] for pair in taken] == [2, 3, None]
    assert lane.next_turn(5) == 100
    assert lane.has(1)
    assert not lane.has(2)


def test_a_stuck_write_is_freed_by_what_it_waits_for() -> None:
    """It counts as queued until then."""
    lane = LaneQueue()
    lane.get_stuck(4, ("policy", "p"))
    lane.get_stuck(5, ("cap", 1, 2))
    assert lane.has(4)
    assert lane.freed([("policy", "q"), ("policy", "p")]) == [4]
    assert not lane.has(4)
    assert lane.freed([("policy", "p")]) == []
