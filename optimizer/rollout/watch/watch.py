"""Checks after a change: whether each moved VM is backed up at its new time, and whether a recovery point was lost.

This module only reads.  It lists policies, items and jobs of each vault once.  The extended info, which no list
contains, takes one request per VM.  It is read only for moved VMs with a finding; with ``deep``, for all moved VMs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from optimizer.arm import parse_time
from optimizer.documents import PlanDocument, ReassignItem, ScheduleEntry
from optimizer.errors import AuthError, CloudError
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.raw import id_of, properties_of
from optimizer.model.rules import Rules
from optimizer.model.timegrid import parse_start
from optimizer.ports import BackupReader, Clock, Progress, Resource, no_progress
from optimizer.rollout.calendar.recovery import rpo_of_items
from optimizer.rollout.session.clock_check import require_clock
from optimizer.rollout.watch.due import runs_between
from optimizer.rollout.watch.gap_checks import check_points
from optimizer.rollout.watch.item_checks import check_item, check_policy
from optimizer.rollout.watch.job_checks import ScheduleCheck, check_jobs
from optimizer.rollout.watch.vault_jobs import BackupJob, VaultJobs, read_jobs
from optimizer.rollout.watch.watch_report import NOT_KNOWN, Finding, Verdict, WatchedVm, WatchReport
from optimizer.rollout.watch.watched import Watched, hours

__all__ = ["WatchReport", "watch"]

_LONGEST_LOOK_BACK = timedelta(days=30)
"""Longest period for which the service is asked for jobs; how long it keeps them is not documented."""

_LOOK_AHEAD = timedelta(days=8)
"""Period within which the next run of every schedule opens."""


@dataclass(frozen=True)
class _VaultState:
    """State of one vault according to the service."""

    policies: Mapping[ArmId, Resource]
    items: Mapping[ArmId, Resource]
    jobs: VaultJobs


def watch(
    plan: PlanDocument,
    moved_at: Mapping[ArmId, datetime],
    inventory: Inventory,
    reader: BackupReader,
    clock: Clock,
    rules: Rules | None = None,
    progress: Progress = no_progress,
    *,
    found: Collection[str] = (),
    deep: bool = False,
) -> WatchReport:
    """Check every VM that starts at its new time, whoever moved it.

    Parameters
    ----------
    plan, inventory
        The plan, and its estate.
    moved_at
        When each VM got its new start, or was first seen there, by VM id; see ``JournalState.moved_at``
        and ``found_vms``.
    reader, clock
        The service and the clock.
    rules
        Rules, for their ``rpo_hours``.  None: the rules of the plan.
    progress
        Called after each VM.
    found
        VMs of ``moved_at`` that somebody else had moved, in lower case.
    deep
        Whether to read the extended info of every moved VM, with one request each.  By default, it is read only for
        VMs with a finding in the lists.

    Raises
    ------
    CloudError
        No vault can be read.  If only some vaults cannot be read, their VMs have a finding.
    ClockError
        The clocks of this machine and the service differ, so due and overdue runs cannot be distinguished.
    """
    now = clock.now()
    watched = list(_watched(plan, moved_at, inventory, rules or plan.rules))
    states: dict[ArmId, _VaultState | CloudError] = {}
    seen = []
    for number, (entry, vm) in enumerate(watched, start=1):
        key = vm.vault.id
        if key not in states:
            since = min(_since(other, now) for _, other in watched if other.vault.id == key)
            states[key] = _read_vault(reader, vm.vault.id, inventory, since, now)
            if not isinstance(states[key], CloudError):
                require_clock(reader, clock, "watch")
        seen.append(_look_at(entry, vm, states[key], inventory, reader, now, deep=deep))
        progress("watch", number, len(watched), vm.vault.name)
    _require_one(states)
    others = frozenset(found)
    return WatchReport(
        at=now,
        vms=tuple(vm.model_copy(update={"found_in_place": vm.vm in others}) for vm in seen),
        not_written=sum(e.start != e.start_today and e.vm not in moved_at for e in plan.schedule),
    )


def _require_one(states: Mapping[ArmId, _VaultState | CloudError]) -> None:
    """Raise an error if no vault can be read: nothing is known about any VM then, and one message gives the reason.

    Raises
    ------
    CloudError
        The first error, with the number of vaults.
    """
    errors = [state for state in states.values() if isinstance(state, CloudError)]
    if not errors or len(errors) < len(states):
        return
    if len(errors) == 1 or isinstance(errors[0], AuthError):
        raise errors[0]
    raise type(errors[0])(f"none of the {len(errors)} vaults can be read; the first: {errors[0]}") from errors[0]


def _watched(
    plan: PlanDocument, moved_at: Mapping[ArmId, datetime], inventory: Inventory, rules: Rules
) -> Iterator[tuple[ScheduleEntry, Watched]]:
    limits = rpo_of_items(inventory, rules)
    rows = inventory.row_of_vm
    targets = {c.vm: c.policy_id for c in plan.changes if isinstance(c, ReassignItem)}
    for entry in plan.schedule:
        key = entry.vm
        if key in moved_at and key in rows:
            item = inventory.items[rows[key]]
            yield (
                entry,
                Watched(
                    item=item,
                    vault=inventory.vault(item),
                    policy_id=targets.get(key, item.policy_id),
                    policy=entry.policy,
                    option=parse_start(entry.start),
                    written_at=moved_at[key],
                    recurrence=inventory.policy(item).recurrence,
                    rpo=timedelta(minutes=limits[rows[key]].minutes),
                ),
            )


def _since(vm: Watched, now: datetime) -> datetime:
    """Time from which the jobs of a VM matter, early enough to include its last recovery point before the change."""
    return max(vm.written_at - 2 * vm.rpo, now - _LONGEST_LOOK_BACK)


def _read_vault(
    reader: BackupReader, vault_id: ArmId, inventory: Inventory, since: datetime, now: datetime
) -> _VaultState | CloudError:
    try:
        jobs = reader.list_jobs(vault_id, since, now + timedelta(minutes=1))
        return _VaultState(
            policies={id_of(policy): policy for policy in reader.list_policies(vault_id)},
            items={id_of(item): item for item in reader.list_items(vault_id)},
            jobs=read_jobs(vault_id, jobs, inventory.job_owners),
        )
    except CloudError as exc:
        return exc


def _look_at(
    entry: ScheduleEntry,
    vm: Watched,
    state: _VaultState | CloudError,
    inventory: Inventory,
    reader: BackupReader,
    now: datetime,
    *,
    deep: bool,
) -> WatchedVm:
    if isinstance(state, CloudError):
        return _report(entry, vm, [_unanswered(state)], ScheduleCheck(), None)
    item = state.items.get(vm.item.id)
    findings, schedule, gap = _judge(entry, vm, state, item, inventory, now)
    if item is not None and (deep or findings):
        try:
            item = reader.get_item(vm.item.id) or item
        except AuthError:
            raise
        except CloudError as exc:
            findings = [_unanswered(exc), *findings]
        else:
            findings, schedule, gap = _judge(entry, vm, state, item, inventory, now)
    return _report(entry, vm, findings, schedule, gap)


def _judge(
    entry: ScheduleEntry,
    vm: Watched,
    state: _VaultState,
    item: Resource | None,
    inventory: Inventory,
    now: datetime,
) -> tuple[list[Finding], ScheduleCheck, timedelta | None]:
    """Check an item, with or without its extended info, its policy and its jobs."""
    jobs = state.jobs.of(vm.item.vm_id, item)
    unclear = [job for job in state.jobs.unclear_of(vm.item.vm_id) if job not in jobs]
    schedule = _check_schedule(entry, vm, jobs, unclear, inventory, now)
    points = [job.start for job in jobs if job.made_a_point]
    last = parse_time(properties_of(item).get("lastRecoveryPoint"))
    points += [last] if last is not None and last <= now else []
    running = next((job.start for job in reversed(jobs) if job.running), None)
    gap, late = check_points(vm, points, running, now, unclear)
    findings = [*check_item(vm, item), *check_policy(vm, state.policies), *schedule.findings, *late]
    return findings, schedule, gap


def _check_schedule(
    entry: ScheduleEntry,
    vm: Watched,
    jobs: Sequence[BackupJob],
    unclear: Sequence[BackupJob],
    inventory: Inventory,
    now: datetime,
) -> ScheduleCheck:
    offsets = inventory.pattern(inventory.policy(vm.item)).offsets
    new = runs_between(vm.recurrence, vm.option, offsets, vm.written_at, now + _LOOK_AHEAD)
    old = runs_between(vm.recurrence, parse_start(entry.start_today), offsets, vm.written_at, now)
    return check_jobs(vm, jobs, new, old, now, unclear)


def _unanswered(error: CloudError) -> Finding:
    return Finding(kind="request_failed", what=str(error), advice="watch again")


def _report(
    entry: ScheduleEntry, vm: Watched, findings: Sequence[Finding], schedule: ScheduleCheck, gap: timedelta | None
) -> WatchedVm:
    verdict, reason = _verdict(findings, schedule)
    run, job = schedule.on_time or (None, None)
    return WatchedVm(
        vm=entry.vm,
        vault=vm.vault.name,
        policy=vm.policy,
        start=entry.start,
        timezone=entry.timezone,
        written_at=vm.written_at,
        verdict=verdict,
        reason=reason,
        due_from=schedule.waits_for.opens if schedule.waits_for else None,
        due_until=schedule.waits_for.closes if schedule.waits_for else None,
        job_started=job.start if job else None,
        job_status=job.status if job else None,
        delay_minutes=round(run.delay(job.start) / timedelta(minutes=1), 1) if run and job else None,
        longest_gap_hours=round(gap / timedelta(hours=1), 2) if gap is not None else None,
        rpo_hours=vm.rpo / timedelta(hours=1),
        findings=tuple(findings),
        remarks=tuple(schedule.remarks),
    )


def _verdict(findings: Sequence[Finding], schedule: ScheduleCheck) -> tuple[Verdict, str]:
    alarms = [finding for finding in findings if finding.kind not in NOT_KNOWN]
    if alarms:
        return "alarm", "; ".join(finding.what for finding in alarms)
    if findings:
        return "unknown", findings[0].what
    if schedule.on_time is not None:
        run, job = schedule.on_time
        when = f"started {hours(run.delay(job.start))} after its time, at {job.start:%Y-%m-%d %H:%M} UTC"
        return ("waiting", f"its job {when}, and is in progress") if job.running else ("ok", f"its job {when}")
    due = schedule.waits_for
    assert due is not None  # every schedule has a run within a week
    return "waiting", f"its job is due from {due.opens:%Y-%m-%d %H:%M} to {due.closes:%Y-%m-%d %H:%M} UTC"
