"""Check of a VM's backup jobs: whether they start at the new time, and how the last one ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from optimizer.documents import LOOK_FOR_POINTS, Finding, Verdict
from optimizer.model.caseless import Caseless
from optimizer.rollout.watch.due import TOLERANCE, Due
from optimizer.rollout.watch.vault_jobs import BackupJob
from optimizer.rollout.watch.watched import Watched, hours, utc_text


@dataclass
class ScheduleCheck:
    """Result of the check of jobs at the new start.

    Parameters
    ----------
    findings, remarks
        What is not as it should be, and what else is worth knowing.
    on_time
        The run and its job, for the last job on time that has ended, otherwise for the one in progress. None if
        there is no job on time.
    waits_for
        Next run, if its job is still to come; None if a job was on time.
    missed
        Runs without a job, since the last job on time.
    """

    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    on_time: tuple[Due, BackupJob] | None = None
    waits_for: Due | None = None
    missed: list[Due] = field(default_factory=list)

    def had_job(self, run: Due, job: BackupJob) -> None:
        """Take into account that a run had a job on time."""
        if not job.running or self.on_time is None:  # a job that has ended shows more than one in progress
            self.on_time = (run, job)
        self.remarks += [f"no job in time for the run of {utc_text(lost.opens)}" for lost in self.missed]
        self.missed = []

    def had_no_job(self, run: Due, now: datetime) -> None:
        """Take into account that a run has no job: it has missed it, or may still get it."""
        if run.closes < now:
            self.missed.append(run)
        elif self.waits_for is None:
            self.waits_for = run

    def verdict(self) -> tuple[Verdict, str]:
        """Verdict on a VM without findings, and the reason."""
        if self.on_time is not None:
            run, job = self.on_time
            when = f"started {hours(run.delay(job.start))} after its time, at {job.start:%Y-%m-%d %H:%M} UTC"
            return ("waiting", f"its job {when}, and is in progress") if job.running else ("ok", f"its job {when}")
        assert self.waits_for is not None  # every schedule has a run within a week
        opens, closes = self.waits_for.opens, self.waits_for.closes
        return "waiting", f"its job is due from {opens:%Y-%m-%d %H:%M} to {closes:%Y-%m-%d %H:%M} UTC"


def check_jobs(
    vm: Watched,
    jobs: Sequence[BackupJob],
    new: Sequence[Due],
    old: Sequence[Due],
    now: datetime,
    unclear: Sequence[BackupJob] = (),
) -> ScheduleCheck:
    """Check whether scheduled jobs start at the new time, and how the last one ended.

    A job that fits both the old and the new start counts for the new one.

    Parameters
    ----------
    jobs
        Jobs of the VM, ordered by start.
    new, old
        Runs of the new and of the old start around and after the change, in order of time.
    now
        Present time.
    unclear
        Jobs of the vault that may belong to the VM.
    """
    after = [job for job in jobs if job.scheduled and job.start >= vm.written_at]
    check = ScheduleCheck()
    for run in new:
        if job := _job_of(run, after):
            check.had_job(run, job)
        elif run.opens >= vm.written_at:
            check.had_no_job(run, now)
    findings = _findings_of_strays(vm, check, _strays(vm, check, after, new), old, now)
    check.findings = [_unless_unclear(finding, check.missed, unclear) for finding in findings]
    if check.on_time is not None:
        check.waits_for = None
        check.findings += _findings_of_end(vm, check, check.on_time[1], now)
    return check


def _job_of(run: Due, jobs: Sequence[BackupJob]) -> BackupJob | None:
    """First job on time for a run, or None."""
    return next((job for job in jobs if run.holds(job.start)), None)


def _strays(vm: Watched, check: ScheduleCheck, jobs: Sequence[BackupJob], new: Sequence[Due]) -> list[BackupJob]:
    """Jobs since the last one on time that belong to no run of the new start."""
    last = check.on_time[1].start if check.on_time else vm.written_at
    return [job for job in jobs if job.start >= last and not _is_at(job, new)]


def _is_at(job: BackupJob, runs: Sequence[Due]) -> bool:
    """Whether a job belongs to any of the runs."""
    return any(run.holds(job.start) for run in runs)


def _unless_unclear(finding: Finding, missed: Sequence[Due], unclear: Sequence[BackupJob]) -> Finding:
    """The finding, or that it is uncertain because a job in time that names no VM may be the missing one."""
    in_time = [job for job in unclear if missed and missed[-1].holds(job.start)]
    if finding.kind != "no_job" or not in_time:
        return finding
    seen = (
        f"no job that names this VM started in time for the run of {utc_text(missed[-1].opens)}; one that does not "
        f"name its VM started at {utc_text(in_time[0].start)}"
    )
    return Finding.of("unclear_jobs", seen, LOOK_FOR_POINTS, finding.command)


def _findings_of_strays(
    vm: Watched, check: ScheduleCheck, strays: Sequence[BackupJob], old: Sequence[Due], now: datetime
) -> list[Finding]:
    """Report why the last runs had no job: it started at the old time, late, at an unknown time, or not at all."""
    at_old = [job for job in strays if _is_at(job, old)]
    if at_old:
        return [_at_old_time(vm, check, at_old[-1])]
    if not check.missed:
        return []
    return _findings_of_stray(vm, check, strays[-1], now) if strays else [_no_job(vm, check.missed, now)]


def _at_old_time(vm: Watched, check: ScheduleCheck, job: BackupJob) -> Finding:
    following = None if check.missed else check.waits_for
    again = "" if following is None else f"; the next run opens at {utc_text(following.opens)}"
    seen = f"a job started at the old time, {utc_text(job.start)}: the new start may not be in force{again}"
    advice = "one such job on the day of the change may be the last: watch again; if it repeats, see the policy"
    return Finding.of("old_time", seen, advice, vm.show_policy())


def _findings_of_stray(vm: Watched, check: ScheduleCheck, job: BackupJob, now: datetime) -> list[Finding]:
    """Report a job that is neither in time nor at the old time: it is late for a run, or belongs to no run."""
    runs = [run for run in check.missed if run.opens <= job.start]
    if not runs:
        seen = f"a job started at {utc_text(job.start)}, which is neither the old nor the new time"
        return [Finding.of("off_schedule", seen, "see whether somebody else changed the policy", vm.show_policy())]
    if runs[-1] is not check.missed[-1]:
        return [_no_job(vm, check.missed, now)]
    seen = f"the job of {utc_text(runs[-1].opens)} started late, {hours(runs[-1].delay(job.start))} after its time"
    advice = "Azure may be late after an outage: check its service health; if it goes on, choose another start"
    return [Finding.of("late", seen, advice), *_findings_of_end(vm, check, job, now)]


def _no_job(vm: Watched, missed: Sequence[Due], now: datetime) -> Finding:
    seen = f"no job started within 2 h (+ {TOLERANCE.seconds // 60} min) of {utc_text(missed[-1].opens)}"
    many = f", nor for {len(missed) - 1} runs before" if len(missed) > 1 else ""
    advice = "see the item in the portal; until the schedule works, you can make a backup on demand"
    return Finding.of("no_job", seen + many, advice, vm.backup_now(now))


def _findings_of_end(vm: Watched, check: ScheduleCheck, job: BackupJob, now: datetime) -> list[Finding]:
    """Report a job that failed; a job that ended with warnings becomes a remark."""
    why = f": {job.error}" if job.error else ""
    if Caseless(job.status) == "CompletedWithWarnings":
        check.remarks.append(f"the job of {utc_text(job.start)} ended with warnings{why}")
    if job.made_a_point or job.running:
        return []
    seen = f"the job of {utc_text(job.start)} is {job.status}{why}"
    advice = "fix the cause that the job names; you can make a backup on demand"
    return [Finding.of("job_failed", seen, advice, vm.backup_now(now))]
