"""A clock that runs faster than another one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from optimizer.model.clock import FasterClock, VirtualClock

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
