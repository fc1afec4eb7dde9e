"""What a run reports while it is in progress."""

from __future__ import annotations

from datetime import timedelta

from optimizer.rollout.carry_out.reporter import Reporter
from tests.rollout.small_rollouts import NOW


def test_a_wait_is_reported_once_and_only_if_it_is_long() -> None:
    """The time shown is rounded up to the minute, so that the wait is over by then."""
    said: list[str] = []
    reporter = Reporter(remark=said.append)
    reporter.waiting(NOW, NOW + timedelta(seconds=9), "for the next write")
    assert said == []
    for _ in range(2):
        reporter.waiting(NOW, NOW + timedelta(seconds=61), "for the next write")
    assert said == ["waiting until 2026-02-18 09:02 UTC for the next write; Ctrl-C stops, --resume continues"]
    reporter.waiting(NOW, NOW + timedelta(hours=1), "for the next write")
    assert len(said) == 2


def test_after_ctrl_c_the_requests_under_way_are_named() -> None:
    """In the order of their names, below the line of the terminal."""
    told: list[str] = []
    Reporter(tell=told.append).stopping(["b", "a"])
    assert told[0] == ""
    assert "waiting for the outcome of 2 requests (a, b). Press Ctrl-C again" in told[1]
    told.clear()
    Reporter(tell=told.append).stopping([])
    assert told == ["", "stopping: no other write is begun"]


def test_progress_counts_writes() -> None:
    """The name of the write is the note."""
    seen: list[tuple[str, int, int, str]] = []

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        seen.append((stage, done, total, note))

    Reporter(progress).written(3, 7, "vm3")
    assert seen == [("write", 3, 7, "vm3")]
