"""Check of the time between recovery points."""

from __future__ import annotations

from datetime import timedelta

from optimizer.rollout.watch.gap_checks import check_gap, check_points, longest_gap
from tests.rollout.watch.small_watch import VM, at, job

POINTS = [at(18, 3), at(16, 23), at(17, 1)]


def test_only_gaps_that_end_after_the_change_count() -> None:
    """From 01:00 on the day of the change to 03:00 on the next day; the gap of the day before does not matter."""
    assert longest_gap(VM, POINTS, None, at(18, 4)) == timedelta(hours=26)
    assert longest_gap(VM, [], None, at(18, 4)) is None


def test_the_present_gap_ends_now_or_with_the_job_in_progress() -> None:
    """A job that is running will end the gap at its start."""
    assert longest_gap(VM, POINTS, None, at(19, 12)) == timedelta(hours=33)
    assert longest_gap(VM, POINTS, at(19, 3), at(19, 12)) == timedelta(hours=26)


def test_a_gap_above_the_rpo_is_over_or_goes_on() -> None:
    """36 hours are allowed; a backup on demand is offered only while the gap goes on."""
    assert check_gap(VM, timedelta(hours=36), at(18, 3), at(18, 9)) == []
    (over,) = check_gap(VM, timedelta(hours=37), at(18, 3), at(18, 9))
    assert (over.what, over.command) == ("37 h passed between two recovery points; the limit is 36 h", "")
    (open_,) = check_gap(VM, timedelta(hours=37), at(18, 3), at(19, 16))
    assert open_.what == "no recovery point since 2026-02-18 03:00 UTC, 37 h ago; the limit is 36 h"
    assert open_.command == VM.backup_now(at(19, 16))


def test_a_job_that_names_no_vm_makes_a_gap_uncertain() -> None:
    """If its recovery point would close the gap; one that comes too late changes nothing."""
    now = at(19, 16)
    gap, (certain,) = check_points(VM, POINTS, None, now, [])
    assert (gap, certain.kind) == (timedelta(hours=37), "gap")
    _, (uncertain,) = check_points(VM, POINTS, None, now, [job(at(19, 3))])
    assert uncertain.kind == "unclear_jobs"
    _, (failed,) = check_points(VM, POINTS, None, now, [job(at(19, 3), "Failed")])
    assert failed.kind == "gap"
