"""Check of a VM's backup jobs: whether they start at the new time, and how the last one ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from optimizer.model.caseless import Caseless
from optimizer.rollout.watch.due import TOLERANCE, Due
from optimizer.rollout.watch.vault_jobs import BackupJob
from optimizer.rollout.watch.watch_report import LOOK_FOR_POINTS, Finding
from optimizer.rollout.watch.watched import Watched, hours, utc_text


@dataclass
class ScheduleCheck:
    """Result of the check of jobs at the new start.

    Parameters
    ----------
    on_time
        The run and its job, for the last job on time that has ended, otherwise for the one in progress.  None if
        there is no job on time.
    waits_for
        Next run, if its job is still to come; None if a job was on time.
    """

    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    on_time: tuple[Due, BackupJob] | None = None
    waits_for: Due | None = None


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
    missed: list[Due] = []
    for run in new:
        job = next((job for job in after if run.holds(job.start)), None)
        if job is not None:
            if not job.running or check.on_time is None:  # a job that has ended shows more than one in progress
                check.on_time = (run, job)
            check.remarks += [f"no job in time for the run of {utc_text(lost.opens)}" for lost in missed]
            missed = []
        elif run.opens >= vm.written_at and run.closes < now:
            missed.append(run)
        elif run.opens >= vm.written_at and check.waits_for is None:
            check.waits_for = run
    last = check.on_time[1].start if check.on_time else vm.written_at
    strays = [job for job in after if job.start >= last and not any(run.holds(job.start) for run in new)]
    _judge_strays(vm, check, strays, missed, old, now)
    check.findings = [_unless_unclear(finding, missed, unclear) for finding in check.findings]
    if check.on_time is not None:
        _judge_job(vm, check, check.on_time[1], now)
        check.waits_for = None
    return check


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


def _judge_strays(
    vm: Watched,
    check: ScheduleCheck,
    strays: Sequence[BackupJob],
    missed: Sequence[Due],
    old: Sequence[Due],
    now: datetime,
) -> None:
    """Report why the last runs had no job: it started at the old time, late, at an unknown time, or not at all."""
    at_old = [job for job in strays if any(run.holds(job.start) for run in old)]
    if at_old:
        again = (
            "" if missed or check.waits_for is None else f"; the next run opens at {utc_text(check.waits_for.opens)}"
        )
        seen = f"a job started at the old time, {utc_text(at_old[-1].start)}: the new start may not be in force{again}"
        advice = "one such job on the day of the change may be the last: watch again; if it repeats, see the policy"
        check.findings.append(Finding.of("old_time", seen, advice, vm.show_policy()))
    elif strays and missed:
        _judge_off_time(vm, check, strays[-1], missed, now)
    elif missed:
        check.findings.append(_no_job(vm, missed, now))


def _judge_off_time(vm: Watched, check: ScheduleCheck, job: BackupJob, missed: Sequence[Due], now: datetime) -> None:
    """Report a job that is neither in time nor at the old time: it is late for a run, or belongs to no run."""
    runs = [run for run in missed if run.opens <= job.start]
    if not runs:
        seen = f"a job started at {utc_text(job.start)}, which is neither the old nor the new time"
        advice = "see whether somebody else changed the policy"
        check.findings.append(Finding.of("off_schedule", seen, advice, vm.show_policy()))
    elif runs[-1] is not missed[-1]:
        check.findings.append(_no_job(vm, missed, now))
    else:
        seen = f"the job of {utc_text(runs[-1].opens)} started late, {hours(runs[-1].delay(job.start))} after its time"
        advice = "Azure may be late after an outage: check its service health; if it goes on, choose another start"
        check.findings.append(Finding.of("late", seen, advice))
        _judge_job(vm, check, job, now)


def _no_job(vm: Watched, missed: Sequence[Due], now: datetime) -> Finding:
    seen = f"no job started within 2 h (+ {TOLERANCE.seconds // 60} min) of {utc_text(missed[-1].opens)}"
    many = f", nor for {len(missed) - 1} runs before" if len(missed) > 1 else ""
    advice = "see the item in the portal; until the schedule works, you can make a backup on demand"
    return Finding.of("no_job", seen + many, advice, vm.backup_now(now))


def _judge_job(vm: Watched, check: ScheduleCheck, job: BackupJob, now: datetime) -> None:
    why = f": {job.error}" if job.error else ""
    if job.made_a_point or job.running:
        if Caseless(job.status) == "CompletedWithWarnings":
            check.remarks.append(f"the job of {utc_text(job.start)} ended with warnings{why}")
        return
    seen = f"the job of {utc_text(job.start)} is {job.status}{why}"
    advice = "fix the cause that the job names; you can make a backup on demand"
    check.findings.append(Finding.of("job_failed", seen, advice, vm.backup_now(now)))
