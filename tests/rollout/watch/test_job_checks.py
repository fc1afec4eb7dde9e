"""Check of a VM's backup jobs at the new time: 03:00, where it was 23:00 before."""

from __future__ import annotations

from datetime import datetime

from optimizer.rollout.watch.job_checks import ScheduleCheck, check_jobs
from optimizer.rollout.watch.vault_jobs import BackupJob
from tests.rollout.watch.small_watch import VM, at, job, runs


def check(now: datetime, *jobs: BackupJob, unclear: tuple[BackupJob, ...] = ()) -> ScheduleCheck:
    """Check jobs at a time."""
    return check_jobs(VM, jobs, runs(6, at(27, 0)), runs(46, now), now, unclear)


def test_a_job_in_its_window_is_on_time() -> None:
    """The last one that has ended counts; a later one in progress does not take its place."""
    found = check(at(19, 4), job(at(18, 4)), job(at(19, 3, 30), "InProgress"))
    assert found.findings == []
    assert found.on_time is not None
    assert found.on_time[1].start == at(18, 4)
    assert found.verdict() == ("ok", "its job started 1 h after its time, at 2026-02-18 04:00 UTC")
    running = check(at(18, 4), job(at(18, 3, 30), "InProgress"))
    assert running.verdict()[0] == "waiting"


def test_before_its_window_ends_a_run_is_waited_for() -> None:
    """The verdict names the window with its tolerance."""
    found = check(at(18, 4))
    assert found.findings == []
    assert found.verdict() == ("waiting", "its job is due from 2026-02-18 03:00 to 2026-02-18 05:30 UTC")


def test_a_missed_run_is_a_finding_until_a_later_one_has_a_job() -> None:
    """Then it becomes a remark."""
    (finding,) = check(at(20, 9)).findings
    assert finding.kind == "no_job"
    assert finding.what.endswith("of 2026-02-20 03:00 UTC, nor for 2 runs before")
    later = check(at(20, 9), job(at(20, 3, 10)))
    assert later.findings == []
    assert len(later.remarks) == 2


def test_a_job_at_another_time_is_told_apart_from_none() -> None:
    """At the old time, late for the new one, or at no known time."""
    (old,) = check(at(18, 1), job(at(17, 23, 30))).findings
    (late,) = check(at(18, 9), job(at(18, 7))).findings
    (stray,) = check(at(18, 9), job(at(17, 20))).findings
    assert (old.kind, late.kind, stray.kind) == ("old_time", "late", "off_schedule")
    assert "; the next run opens at 2026-02-18 03:00 UTC" in old.what
    assert late.what == "the job of 2026-02-18 03:00 UTC started late, 4 h after its time"


def test_backups_that_people_start_are_not_the_schedule() -> None:
    """A job on demand in the window does not show that the schedule works; neither does one before the change."""
    (finding,) = check(at(18, 9), job(at(18, 3, 30), scheduled=False), job(at(17, 3, 30))).findings
    assert finding.kind == "no_job"


def test_a_job_that_names_no_vm_may_be_the_missing_one() -> None:
    """Only if it started in time."""
    (unclear,) = check(at(18, 9), unclear=(job(at(18, 4)),)).findings
    (missing,) = check(at(18, 9), unclear=(job(at(18, 8)),)).findings
    assert (unclear.kind, missing.kind) == ("unclear_jobs", "no_job")


def test_a_job_on_time_may_fail_or_warn() -> None:
    """A failure is a finding with its error, a warning a remark."""
    (failed,) = check(at(18, 9), job(at(18, 4), "Failed", error="no agent")).findings
    assert (failed.kind, failed.what) == ("job_failed", "the job of 2026-02-18 04:00 UTC is Failed: no agent")
    warned = check(at(18, 9), job(at(18, 4), "CompletedWithWarnings"))
    assert warned.findings == []
    assert warned.remarks == ["the job of 2026-02-18 04:00 UTC ended with warnings"]
