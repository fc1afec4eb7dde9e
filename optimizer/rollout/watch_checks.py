"""Checks whether a change took effect: one VM's item, policy and jobs, compared with the plan."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from optimizer.estate.arm_items import policy_of
from optimizer.estate.arm_policy import read_schedule
from optimizer.estate.raw_jobs import parse_time
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import ProtectedItem, Vault
from optimizer.model.job_owners import JobOwners, container_of
from optimizer.model.raw import MALFORMED, mapping, objects, properties_of, text, word
from optimizer.model.timegrid import Recurrence, format_start
from optimizer.ports import Resource
from optimizer.rollout.due import TOLERANCE, Due
from optimizer.rollout.watch_report import Finding, FindingKind

ON_DEMAND_KEPT_DAYS = 30
"""Days for which an on-demand backup is kept in the commands that a finding offers."""

_SAME_TIME = timedelta(minutes=2)
"""Maximum distance at which an item's last backup and the start of a job count as the same backup."""

_MADE_A_POINT = {Caseless("Completed"), Caseless("CompletedWithWarnings")}
_RUNNING = {Caseless("InProgress"), Caseless("Cancelling")}


@dataclass(frozen=True, slots=True)
class Job:
    """A backup job.

    Parameters
    ----------
    scheduled
        Whether the schedule started it.  Azure does not state this for every kind of job; True if it does not.
    error
        Title or text of the first error; empty without an error.
    """

    start: datetime
    status: str
    scheduled: bool
    error: str = ""

    @property
    def made_a_point(self) -> bool:
        """Whether the job created a recovery point."""
        return Caseless(self.status) in _MADE_A_POINT

    @property
    def running(self) -> bool:
        """Whether the job is in progress."""
        return Caseless(self.status) in _RUNNING


@dataclass(frozen=True)
class VaultJobs:
    """Backup jobs of a vault, by VM.

    Parameters
    ----------
    by_vm
        Jobs that certainly belong to a VM, by VM id and ordered by start.
    unclear
        Jobs that do not say which VM they belong to, with the possible VMs.  Without VMs: any VM of the vault.
    """

    by_vm: Mapping[ArmId, Sequence[Job]]
    unclear: Sequence[tuple[Job, frozenset[ArmId]]] = ()

    def of(self, vm_id: ArmId, item: Resource | None) -> list[Job]:
        """Jobs of a VM, ordered by start.

        A job that does not name its VM belongs to the VM whose item states a backup, or a recovery point, at the same
        time.

        Parameters
        ----------
        vm_id
            ARM id of the VM.
        item
            Its protected item; None if the vault has none.
        """
        fields = properties_of(item)
        stated = [parse_time(fields.get(name)) for name in ("lastBackupTime", "lastRecoveryPoint")]
        claimed = [
            job
            for job in self.unclear_of(vm_id)
            if any(time is not None and abs(time - job.start) <= _SAME_TIME for time in stated)
        ]
        return sorted([*self.by_vm.get(vm_id, ()), *claimed], key=lambda job: job.start)

    def unclear_of(self, vm_id: ArmId) -> list[Job]:
        """Jobs that may belong to this VM or to another one."""
        return [job for job, vms in self.unclear if not vms or vm_id in vms]


def read_jobs(vault_id: ArmId, resources: Iterable[Resource], owners: JobOwners) -> VaultJobs:
    """Parse the backup jobs of a vault.

    Parameters
    ----------
    vault_id
        Vault that listed the jobs.
    resources
        Jobs as the service listed them.
    owners
        Index that shows which VM a job belongs to.
    """
    by_vm: dict[ArmId, list[Job]] = {}
    unclear: list[tuple[Job, frozenset[ArmId]]] = []
    for resource in resources:
        properties = properties_of(resource)
        start = parse_time(properties.get("startTime"))
        if start is None or word(properties.get("operation")) != "Backup":
            continue
        job = Job(start, text(properties.get("status")), not properties.get("isUserTriggered"), _error(properties))
        owner = owners.find(vault_id, properties)
        if owner.vm:
            by_vm.setdefault(owner.vm, []).append(job)
        elif owner.vms or not owner.named:
            unclear.append((job, owner.vms))
    for found in by_vm.values():
        found.sort(key=lambda job: job.start)
    return VaultJobs(by_vm, sorted(unclear, key=lambda pair: pair[0].start))


def _error(properties: Mapping[str, Any]) -> str:
    """Title or text of the first error; empty without an error."""
    for detail in objects(properties.get("errorDetails")):
        if found := text(detail.get("errorTitle")) or text(detail.get("errorString")):
            return found
    return ""


@dataclass(frozen=True)
class Watched:
    """A VM with what the plan intends for it.

    Parameters
    ----------
    item, vault
        Its protected item and vault.
    policy_id, policy, option
        Planned policy, and the planned start option.
    written_at
        When that change was written.
    recurrence
        Recurrence of the schedule, which does not change.
    rpo
        Longest allowed time between two recovery points.
    """

    item: ProtectedItem
    vault: Vault
    policy_id: ArmId
    policy: str
    option: int
    written_at: datetime
    recurrence: Recurrence
    rpo: timedelta

    def command(self, *words: str) -> str:
        """Command line of the Azure CLI, quoted for a shell."""
        place = ("--resource-group", self.vault.resource_group, "--vault-name", self.vault.name)
        where = ("--subscription", self.vault.subscription) if self.vault.subscription else ()
        return shlex.join(("az", "backup", *words, *place, *where))

    def backup_now(self, now: datetime) -> str:
        """Command for an on-demand backup."""
        until = now.astimezone(UTC).date() + timedelta(days=ON_DEMAND_KEPT_DAYS)
        names = ("--container-name", container_of(self.item.id), "--item-name", self.item.id.name)
        kind = ("--backup-management-type", "AzureIaasVM", "--workload-type", "VM")
        return self.command("protection", "backup-now", *names, *kind, "--retain-until", f"{until:%d-%m-%Y}")

    def show_policy(self) -> str:
        """Command that shows the policy."""
        return self.command("policy", "show", "--name", self.policy)


def check_item(vm: Watched, item: Resource | None) -> list[Finding]:
    """Check that the item is under the plan's policy, consistent and protected.

    Parameters
    ----------
    item
        The item, with its extended info; None if the vault has no such item.
    """
    if item is None:
        return [_finding("not_protected", "the VM is no longer protected in this vault", "find out who removed it")]
    properties = properties_of(item)
    findings = []
    policy = policy_of(properties)
    if not policy:
        findings.append(
            _finding("not_protected", "the VM has no policy: its protection is stopped", "find out who stopped it")
        )
    elif policy != vm.policy_id:
        advice = "if that is intended, run 'pull' and 'plan' again; otherwise assign it to the plan's policy again"
        findings.append(_finding("other_policy", f"it is under policy {policy.name}, not under {vm.policy}", advice))
    if mapping(properties.get("extendedInfo")).get("policyInconsistent"):
        advice = "open its backup settings in the portal and save them, or take the change back with 'rollback'"
        findings.append(_finding("inconsistent", "Azure reports that it does not follow its policy", advice))
    state = word(properties.get("protectionState"))
    deleted = properties.get("isScheduledForDeferredDelete")
    if deleted or state not in {Caseless(), Caseless("Protected")}:
        seen = "it is soft-deleted" if deleted else f"its protection is in state {state}"
        findings.append(_finding("state", seen, "no backup is made until it is protected again: see it in the portal"))
    return findings


def check_policy(vm: Watched, policies: Mapping[ArmId, Resource]) -> list[Finding]:
    """Check that the policy exists and is set to the plan's time.

    Parameters
    ----------
    policies
        Policies of the vault, by id.
    """
    policy = policies.get(vm.policy_id)
    if policy is None:
        advice = "somebody deleted it: run 'pull' and 'plan' again"
        return [_finding("policy_time", f"policy {vm.policy} is not in the vault", advice)]
    try:
        option = read_schedule(properties_of(policy)).start
    except MALFORMED:
        advice = "somebody changed it: run 'pull' and 'plan' again"
        return [_finding("policy_time", f"policy {vm.policy} has no schedule that can be read", advice)]
    if option == vm.option:
        return []
    seen = f"policy {vm.policy} is set to {format_start(option)}, the plan says {format_start(vm.option)}"
    return [
        _finding(
            "policy_time", seen, "somebody edited it: run 'pull' and 'plan' again, or 'rollback'", vm.show_policy()
        )
    ]


def _finding(kind: FindingKind, what: str, advice: str, command: str = "") -> Finding:
    return Finding(kind=kind, what=what, advice=advice, command=command)


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
    on_time: tuple[Due, Job] | None = None
    waits_for: Due | None = None


def check_jobs(
    vm: Watched,
    jobs: Sequence[Job],
    new: Sequence[Due],
    old: Sequence[Due],
    now: datetime,
    unclear: Sequence[Job] = (),
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
            check.remarks += [f"no job in time for the run of {_utc(lost.opens)}" for lost in missed]
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


def _unless_unclear(finding: Finding, missed: Sequence[Due], unclear: Sequence[Job]) -> Finding:
    """The finding, or that it is uncertain because a job in time that names no VM may be the missing one."""
    in_time = [job for job in unclear if missed and missed[-1].holds(job.start)]
    if finding.kind != "no_job" or not in_time:
        return finding
    seen = (
        f"no job that names this VM started in time for the run of {_utc(missed[-1].opens)}; one that does not name "
        f"its VM started at {_utc(in_time[0].start)}"
    )
    return _finding("unclear_jobs", seen, _LOOK_FOR_POINTS, finding.command)


_LOOK_FOR_POINTS = "see the VM's recovery points in the portal"


def _judge_strays(
    vm: Watched, check: ScheduleCheck, strays: Sequence[Job], missed: Sequence[Due], old: Sequence[Due], now: datetime
) -> None:
    """Report why the last runs had no job: it started at the old time, late, at an unknown time, or not at all."""
    at_old = [job for job in strays if any(run.holds(job.start) for run in old)]
    if at_old:
        again = "" if missed or check.waits_for is None else f"; the next run opens at {_utc(check.waits_for.opens)}"
        seen = f"a job started at the old time, {_utc(at_old[-1].start)}: the new start may not be in force{again}"
        advice = "one such job on the day of the change may be the last: watch again; if it repeats, see the policy"
        check.findings.append(_finding("old_time", seen, advice, vm.show_policy()))
    elif strays and missed:
        _judge_off_time(vm, check, strays[-1], missed, now)
    elif missed:
        check.findings.append(_no_job(vm, missed, now))


def _judge_off_time(vm: Watched, check: ScheduleCheck, job: Job, missed: Sequence[Due], now: datetime) -> None:
    """Report a job that is neither in time nor at the old time: it is late for a run, or belongs to no run."""
    runs = [run for run in missed if run.opens <= job.start]
    if not runs:
        seen = f"a job started at {_utc(job.start)}, which is neither the old nor the new time"
        advice = "see whether somebody else changed the policy"
        check.findings.append(_finding("off_schedule", seen, advice, vm.show_policy()))
    elif runs[-1] is not missed[-1]:
        check.findings.append(_no_job(vm, missed, now))
    else:
        seen = f"the job of {_utc(runs[-1].opens)} started late, {hours(runs[-1].delay(job.start))} after its time"
        advice = "Azure may be late after an outage: check its service health; if it goes on, choose another start"
        check.findings.append(_finding("late", seen, advice))
        _judge_job(vm, check, job, now)


def _no_job(vm: Watched, missed: Sequence[Due], now: datetime) -> Finding:
    seen = f"no job started within 2 h (+ {TOLERANCE.seconds // 60} min) of {_utc(missed[-1].opens)}"
    many = f", nor for {len(missed) - 1} runs before" if len(missed) > 1 else ""
    advice = "see the item in the portal; until the schedule works, you can make a backup on demand"
    return _finding("no_job", seen + many, advice, vm.backup_now(now))


def _judge_job(vm: Watched, check: ScheduleCheck, job: Job, now: datetime) -> None:
    why = f": {job.error}" if job.error else ""
    if job.made_a_point or job.running:
        if Caseless(job.status) == "CompletedWithWarnings":
            check.remarks.append(f"the job of {_utc(job.start)} ended with warnings{why}")
        return
    seen = f"the job of {_utc(job.start)} is {job.status}{why}"
    advice = "fix the cause that the job names; you can make a backup on demand"
    check.findings.append(_finding("job_failed", seen, advice, vm.backup_now(now)))


def longest_gap(vm: Watched, points: Iterable[datetime], running: datetime | None, now: datetime) -> timedelta | None:
    """Longest time between two recovery points that ended after the change; the present gap ends now.

    Parameters
    ----------
    points
        Times of recovery points, in any order.
    running
        Start of a job in progress, at which the present gap will end.
    """
    known = sorted(points)
    if not known:
        return None
    ends = [*known[1:], max(running or now, known[-1])]
    return max((end - begin for begin, end in zip(known, ends, strict=True) if end > vm.written_at), default=None)


def check_points(
    vm: Watched, points: Sequence[datetime], running: datetime | None, now: datetime, unclear: Sequence[Job]
) -> tuple[timedelta | None, list[Finding]]:
    """Longest time between recovery points, and the findings if it exceeds the RPO.

    Parameters
    ----------
    points, running
        See :func:`longest_gap`.
    unclear
        Jobs that may belong to the VM.  A gap that one of them may have ended is uncertain.
    """
    gap = longest_gap(vm, points, running, now)
    findings = check_gap(vm, gap, max(points, default=None), running or now)
    maybe = [*points, *(job.start for job in unclear if job.made_a_point)]
    if not findings or len(maybe) == len(points):
        return gap, findings
    least = longest_gap(vm, maybe, running, now)
    if check_gap(vm, least, max(maybe), running or now):
        return gap, findings
    seen = f"{findings[0].what}, unless a job that does not name its VM was this VM's"
    return gap, [_finding("unclear_jobs", seen, _LOOK_FOR_POINTS, findings[0].command)]


def check_gap(vm: Watched, gap: timedelta | None, last: datetime | None, now: datetime) -> list[Finding]:
    """Check whether the time between recovery points kept the RPO.

    Parameters
    ----------
    last
        Time of the last recovery point.
    """
    if gap is None or last is None or gap <= vm.rpo:
        return []
    allowed = f"the limit is {hours(vm.rpo)}"
    if now - last > vm.rpo:
        seen = f"no recovery point since {_utc(last)}, {hours(now - last)} ago; {allowed}"
        return [_finding("gap", seen, "make a backup on demand", vm.backup_now(now))]
    seen = f"{hours(gap)} passed between two recovery points; {allowed}"
    return [_finding("gap", seen, "it is over: inform the owner of the recovery point objective")]


def hours(span: timedelta) -> str:
    """A span in hours and minutes, such as ``36 h`` or ``2 h 35 min``."""
    total = round(span / timedelta(minutes=1))
    whole, minutes = divmod(total, 60)
    return f"{whole} h {minutes} min" if whole and minutes else f"{whole} h" if whole else f"{minutes} min"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
