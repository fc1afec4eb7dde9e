"""Runs of a schedule as instants, and the jobs that belong to them."""

from __future__ import annotations

from datetime import timedelta

from optimizer.model.timegrid import Frequency, Recurrence
from optimizer.rollout.watch.due import Due, runs_between
from tests.rollout.watch.small_watch import at


def test_runs_between_are_those_of_the_slow_loop() -> None:
    """Every instant of three weeks is either in a run's window or not, by plain arithmetic on local time."""
    weekly = Recurrence(Frequency.WEEKLY, days=(1, 6))
    runs = runs_between(weekly, 5, (-300,), at(2, 0), at(22, 0))
    expected = [
        day + timedelta(hours=2, minutes=30 + 300)
        for day in (at(1, 0) + timedelta(days=n) for n in range(25))
        if day.weekday() in (1, 6)
    ]
    assert [run.opens for run in runs] == [
        begin for begin in expected if begin + timedelta(hours=2.5) >= at(2, 0) and begin <= at(22, 0)
    ]


def test_a_run_holds_what_starts_within_its_window_and_tolerance() -> None:
    """Two hours and half an hour more; one minute before for clocks that differ."""
    run = Due((at(18, 3),))
    assert [run.holds(at(18, 3) + timedelta(minutes=m)) for m in (-2, -1, 0, 150, 151)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_a_zone_that_changes_its_clock_has_two_instants_for_one_run() -> None:
    """A job at either UTC offset is on time; its delay counts from the later instant that has passed."""
    (run,) = runs_between(Recurrence(Frequency.DAILY), 6, (0, 60), at(18, 1), at(18, 4))[-1:]
    assert run.instants == (at(18, 2), at(18, 3))
    assert (run.opens, run.closes) == (at(18, 2), at(18, 5, 30))
    assert run.holds(at(18, 2, 30))
    assert run.delay(at(18, 2, 30)) == timedelta(minutes=30)
    assert run.delay(at(18, 3, 10)) == timedelta(minutes=10)
    assert run.delay(at(18, 1, 59)) == timedelta(0)
