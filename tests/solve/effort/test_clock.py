"""The time limit of a solve, a function beside the main thread, and the best cost and bound so far."""

from __future__ import annotations

import math
import threading

import pytest

from optimizer.solve.effort.clock import PROGRESS_UNITS, Beside, Incumbent, SolveClock


class HandClock:
    """A clock that shows what the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Seconds since some moment."""
        return self.now


class Heard:
    """Keeps what progress reports say."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int, str]] = []

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Keep a report."""
        self.calls.append((stage, done, total, note))


def test_without_a_limit_there_is_always_time() -> None:
    """Nothing is reserved, and only a cancellation ends the work."""
    hand = HandClock()
    clock = SolveClock(None, hand)
    hand.now += 1e9
    clock.reserve(5.0)
    assert clock.left() is None
    assert not clock.over()
    assert clock.seconds() == pytest.approx(1e9)
    clock.cancel()
    assert clock.over()
    assert not clock.stopped_work


def test_the_limit_counts_from_the_creation_of_the_clock() -> None:
    """It is over when the seconds are used up, and what is left never falls below 0."""
    hand = HandClock()
    clock = SolveClock(10.0, hand)
    hand.now += 4.0
    assert clock.left() == pytest.approx(6.0)
    assert not clock.over() and not clock.stopped_work
    hand.now += 6.0
    assert clock.left() == 0.0
    assert clock.over() and clock.stopped_work
    hand.now += 100.0
    assert clock.left() == 0.0


def test_that_the_limit_cut_in_is_remembered() -> None:
    """Even if time is set back, as by a larger reserve that is given up again."""
    hand = HandClock()
    clock = SolveClock(10.0, hand)
    hand.now += 9.0
    clock.reserve(2.0)
    assert clock.over()
    clock.reserve(0.0)
    assert not clock.over()
    assert clock.stopped_work


@pytest.mark.parametrize(("reserved", "left"), [(1.0, 9.0), (2.0, 8.0), (5.0, 8.0)])
def test_at_most_a_fifth_of_the_limit_is_reserved(reserved: float, left: float) -> None:
    """The rest is for the search."""
    clock = SolveClock(10.0, HandClock())
    clock.reserve(reserved)
    assert clock.left() == pytest.approx(left)


def test_a_function_runs_beside_and_returns_its_result() -> None:
    """It runs in a thread of its own."""
    beside = Beside(threading.get_ident)
    assert beside.result() != threading.get_ident()
    assert beside.result() == beside.result()


def test_an_exception_of_the_function_is_raised_where_its_result_is_asked_for() -> None:
    """Not lost in the thread."""

    def fails() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        Beside(fails).result()


def test_the_note_says_what_is_known() -> None:
    """Only the cost at first; with a bound, the share of the possible improvement that is captured."""
    incumbent = Incumbent(10.0, 1.0, Heard())
    assert incumbent.note() == "cost 10.00"
    incumbent.report("bound", 0.1, bound=5.0)
    assert incumbent.note() == "cost 10.00, bound 5.00, captured 0.0 %"
    incumbent.report("search", 0.1, cost=6.0)
    assert incumbent.note() == "cost 6.00, bound 5.00, captured 80.0 %"


def test_nothing_is_captured_where_nothing_can_be_improved() -> None:
    """The reference is optimal, so the share would be 0 of 0."""
    incumbent = Incumbent(5.0, 1.0, Heard())
    incumbent.report("bound", 0.1, bound=5.0)
    assert incumbent.note() == "cost 5.00, bound 5.00"


def test_the_best_of_all_reports_is_kept() -> None:
    """A worse cost or bound that comes later changes nothing, nor does less effort."""
    heard = Heard()
    incumbent = Incumbent(10.0, 2.0, heard)
    incumbent.report("search", 1.0, cost=7.0)
    incumbent.report("search", 0.5, cost=8.0, bound=3.0)
    incumbent.report("search", 0.7, bound=2.0)
    assert (incumbent.cost, incumbent.bound) == (7.0, 3.0)
    assert [done for _, done, _, _ in heard.calls] == [PROGRESS_UNITS] * 3
    assert {total for _, _, total, _ in heard.calls} == {2 * PROGRESS_UNITS}


def test_more_effort_than_planned_fills_the_bar() -> None:
    """No stage reports more than the whole."""
    heard = Heard()
    incumbent = Incumbent(10.0, 1.0, heard)
    incumbent.report("search", 3.0)
    assert heard.calls[-1][1:3] == (PROGRESS_UNITS, PROGRESS_UNITS)


def test_at_the_end_every_stage_is_complete() -> None:
    """Each stage is reported with the work that it did as the whole."""
    heard = Heard()
    incumbent = Incumbent(10.0, 1.0, heard)
    incumbent.report("search", 0.5)
    incumbent.report("bound", 0.25)
    heard.calls.clear()
    incumbent.finish()
    assert [(stage, done, total) for stage, done, total, _ in heard.calls] == [("search", 50, 50), ("bound", 25, 25)]


def test_a_standing_begins_at_the_reference_without_a_bound() -> None:
    """Nothing is proven yet."""
    incumbent = Incumbent(4.0, 1.0, Heard())
    assert (incumbent.cost, incumbent.bound) == (4.0, -math.inf)
