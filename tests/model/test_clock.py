"""Clocks: a virtual one that jumps, a faster one, and tasks that run side by side and end together."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest

from optimizer.model.clock import FasterClock, Stopped, SystemClock, Team, VirtualClock

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BASE = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("speed", [1.0, 300.0, 600.0])
def test_time_passes_faster_by_the_speed(speed: float) -> None:
    """An hour of the other clock is as many hours as the speed says, from a start of its own."""
    base = VirtualClock(BASE)
    clock = FasterClock(START, speed, base)
    assert clock.now() == START
    base.sleep(3600)
    assert clock.now() == START + speed * timedelta(hours=1)


def test_waiting_takes_a_fraction_of_the_time() -> None:
    """A sleep is as long as asked for on this clock, and shorter on the other one; a negative one does not wait."""
    base = VirtualClock(BASE)
    clock = FasterClock(START.astimezone(timezone(timedelta(hours=2))), 300, base)
    clock.sleep(3000)
    assert (clock.now() - START, base.now() - BASE) == (timedelta(seconds=3000), timedelta(seconds=10))
    clock.sleep(-5)
    assert base.now() - BASE == timedelta(seconds=10)
    assert clock.now().tzinfo is UTC


def test_tasks_wait_side_by_side_on_this_clock() -> None:
    """Tasks run as on the other clock, and each sees its own waits in the time of this one."""
    clock = FasterClock(START, 60, VirtualClock(BASE))
    seen: list[tuple[str, timedelta]] = []

    def task(name: str, seconds: float) -> None:
        for _ in range(2):
            clock.sleep(seconds)
            seen.append((name, clock.now() - START))

    clock.side_by_side([lambda: task("slow", 900), lambda: task("fast", 600)])
    minutes = [(name, round(after / timedelta(minutes=1))) for name, after in seen]
    assert minutes == [("fast", 10), ("slow", 15), ("fast", 20), ("slow", 30)]


def virtual() -> VirtualClock:
    """A virtual clock at the usual start."""
    return VirtualClock(START)


def test_a_virtual_clock_jumps_by_what_code_sleeps() -> None:
    """Nothing passes without a sleep, and a negative sleep does not turn time back."""
    clock = VirtualClock(START.astimezone(timezone(timedelta(hours=5))))
    assert clock.now() == START
    assert clock.now().tzinfo is UTC
    clock.sleep(90)
    clock.sleep(-10)
    assert clock.now() == START + timedelta(seconds=90)


def test_one_task_runs_in_the_calling_thread() -> None:
    """There is nobody to take turns with, so its sleeps are jumps."""
    clock, threads = virtual(), []

    def task() -> None:
        threads.append(threading.current_thread())
        clock.sleep(5)

    clock.side_by_side([task])
    assert threads == [threading.current_thread()]
    assert clock.now() == START + timedelta(seconds=5)


def test_tasks_take_turns_in_the_order_in_which_they_wake() -> None:
    """One task runs at a time; equal times are served in the order of the sleeps, in every run alike."""
    for _ in range(5):
        clock, seen = virtual(), []

        def task(name: str, *sleeps: float, clock: VirtualClock = clock, seen: list[str] = seen) -> None:
            for seconds in sleeps:
                clock.sleep(seconds)
                seen.append(f"{name}{(clock.now() - START).seconds}")

        clock.side_by_side([partial(task, "a", 10, 10), partial(task, "b", 5, 15), partial(task, "c", 20)])
        assert seen == ["b5", "a10", "c20", "b20", "a20"]


def test_a_failed_task_stops_the_others_and_is_raised() -> None:
    """The other task ends at its next sleep, and never comes to what follows it."""
    clock, reached = virtual(), []

    def fails() -> None:
        clock.sleep(10)
        raise RuntimeError("broken")

    def waits() -> None:
        clock.sleep(20)
        reached.append("end")

    with pytest.raises(RuntimeError, match="broken"):
        clock.side_by_side([fails, waits])
    assert reached == []


def test_a_team_raises_the_first_failure_and_wakes_the_others() -> None:
    """A task that sleeps for hours ends at once; ``on_stop`` is called so that other waits can end as well."""
    team, woken, ended = Team(), [], []

    def fails() -> None:
        raise KeyError("first")

    def sleeps() -> None:
        try:
            team.sleep(3600)
        except Stopped:
            ended.append("stopped")
            raise

    with pytest.raises(KeyError, match="first"):
        team.run([sleeps, fails], on_stop=lambda: woken.append(True))
    assert ended == ["stopped"]
    assert woken == [True]
    assert team.stopped


def test_a_team_without_trouble_runs_every_task() -> None:
    """Tasks run in threads of their own, side by side: each waits for the other here."""
    team, barrier, threads = Team(), threading.Barrier(2, timeout=30), set()

    def meets() -> None:
        barrier.wait()
        threads.add(threading.current_thread())

    team.run([meets, meets])
    assert len(threads) == 2
    assert threading.current_thread() not in threads
    assert not team.stopped
    team.run([])


def test_an_interrupt_in_a_task_is_passed_on() -> None:
    """Whatever a task raises, even what ends a program, is raised in the calling thread once all have ended."""
    team, began = Team(), threading.Event()

    def sleeps() -> None:
        began.set()
        team.sleep(3600)

    def interrupts() -> None:
        began.wait(30)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        team.run([sleeps, interrupts])
    assert team.stopped


def test_the_system_clock_stops_waiting_with_its_team() -> None:
    """A sleep within side by side ends when another task fails."""
    clock, ended = SystemClock(), []

    def sleeps() -> None:
        try:
            clock.sleep(3600)
        except Stopped:
            ended.append(True)
            raise

    def fails() -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        clock.side_by_side([sleeps, fails])
    assert ended == [True]
    clock.sleep(-1)
