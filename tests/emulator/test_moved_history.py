"""A history that is shifted so that it ends today."""

from __future__ import annotations

from datetime import date, timedelta

from optimizer.emulator.moved_history import MovedLoad, move_jobs
from optimizer.estate.folder import Estate
from tests.emulator.cloud import NOW, frame


def test_load_keeps_its_values_on_other_days(truth: Estate) -> None:
    """Each day is a week later, with the values of the same weekday; a day without load stays empty."""
    moved = MovedLoad(truth.load, timedelta(weeks=1))
    assert list(moved.dates()) == [date(2026, 11, 8), date(2026, 11, 9)]
    later, before = moved.read_day(date(2026, 11, 9)), truth.load.read_day(date(2026, 11, 2))
    assert later.date == date(2026, 11, 9)
    assert later.vm_ids == before.vm_ids
    assert (later.cpu_percent[0] == before.cpu_percent[0]).all()
    assert moved.read_day(date(2026, 11, 2)).vm_ids == ()


def test_jobs_move_with_all_their_times() -> None:
    """Start, end and scheduled time move together; an unknown end stays unknown, and other columns stay."""
    jobs = frame({"start": NOW, "end": NOW + timedelta(hours=1)}, {"start": NOW, "end": None})
    moved = move_jobs(jobs, timedelta(weeks=2))
    assert moved["start"].to_list() == [NOW + timedelta(weeks=2)] * 2
    assert moved["end"].to_list() == [NOW + timedelta(weeks=2, hours=1), None]
    assert moved.drop("start", "end", "scheduled").equals(jobs.drop("start", "end", "scheduled"))
