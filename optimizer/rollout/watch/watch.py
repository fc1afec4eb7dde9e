"""Checks after a change whether each moved VM is backed up at its new time, and whether a recovery point was lost.

This module only reads. It lists policies, items and jobs of each vault once. The extended info, which no list
contains, takes one request per VM. It is read only for moved VMs with a finding; with ``deep``, for all moved VMs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from optimizer.arm import parse_time
from optimizer.documents import NOT_KNOWN, Finding, PlanDocument, ReassignItem, Verdict, WatchedVm, WatchReport
from optimizer.errors import AuthError, CloudError
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.raw import id_of, properties_of
from optimizer.ports import BackupReader, Clock, Resource
from optimizer.rollout.calendar.recovery import rpo_of_items
from optimizer.rollout.session.clock_check import require_clock
from optimizer.rollout.watch.due import runs_between
from optimizer.rollout.watch.gap_checks import check_points
from optimizer.rollout.watch.item_checks import check_item, check_policy
from optimizer.rollout.watch.job_checks import ScheduleCheck, check_jobs
from optimizer.rollout.watch.vault_jobs import BackupJob, VaultJobs, read_jobs
from optimizer.rollout.watch.watched import Watched

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


@dataclass(frozen=True)
class Moved:
    """VMs that start at their new time.

    Parameters
    ----------
    at
        When each VM got its new start, or was first seen there, by VM id; see
        :meth:`~optimizer.journal.JournalState.moved_at`.
    found
        VMs among these that somebody else had moved.
    """

    at: Mapping[ArmId, datetime]
    found: Collection[ArmId] = frozenset()


def watch(
    plan: PlanDocument,
    inventory: Inventory,
    moved: Moved,
    reader: BackupReader,
    clock: Clock,
    *,
    deep: bool = False,
) -> WatchReport:
    """Check every VM that starts at its new time, including VMs that somebody else moved.

    Parameters
    ----------
    plan, inventory
        The plan, and its estate.
    moved
        VMs that start at their new time.
    reader, clock
        The service and the clock.
    deep
        Whether to read the extended info of every moved VM, with one request each. By default, it is read only for
        VMs with a finding in the lists.

    Raises
    ------
    CloudError
        No vault can be read. If only some vaults cannot be read, their VMs have a finding.
    ClockError
        The clocks of this machine and the service differ, so due and overdue runs cannot be distinguished.
    """
    look = _Look(inventory, reader, clock.now(), deep)
    watched = list(_watched(plan, moved.at, inventory))
    states: dict[ArmId, _VaultState | CloudError] = {}
    for key in dict.fromkeys(vm.vault.id for vm in watched):
        states[key] = look.read_vault(key, min(look.since(vm) for vm in watched if vm.vault.id == key))
        if not isinstance(states[key], CloudError):
            require_clock(reader, clock, "watch")
    seen = [look.look_at(vm, states[vm.vault.id]) for vm in watched]
    _require_one(states)
    others = frozenset(map(ArmId, moved.found))
    return WatchReport(
        at=look.now,
        vms=tuple(vm.model_copy(update={"found_in_place": vm.vm in others}) for vm in seen),
        not_written=sum(entry.start != entry.start_today and entry.vm not in moved.at for entry in plan.schedule),
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


def _watched(plan: PlanDocument, moved_at: Mapping[ArmId, datetime], inventory: Inventory) -> Iterator[Watched]:
    """Every VM of the plan that has moved and that the estate contains."""
    limits = rpo_of_items(inventory, plan.rules)
    rows = inventory.row_of_vm
    targets = {change.vm: change.policy_id for change in plan.changes if isinstance(change, ReassignItem)}
    for entry in plan.schedule:
        if entry.vm in moved_at and entry.vm in rows:
            item = inventory.items[rows[entry.vm]]
            yield Watched(
                entry=entry,
                item=item,
                vault=inventory.vault(item),
                policy_id=targets.get(entry.vm, item.policy_id),
                written_at=moved_at[entry.vm],
                recurrence=inventory.policy(item).recurrence,
                rpo=timedelta(minutes=limits[rows[entry.vm]].minutes),
            )


@dataclass(frozen=True)
class _Judged:
    """Results of the checks of one VM.

    Parameters
    ----------
    findings
        Everything that is not as it should be.
    schedule
        Result of the check of jobs.
    gap
        Longest time between two recovery points; None if it is not known.
    """

    findings: Sequence[Finding]
    schedule: ScheduleCheck = field(default_factory=ScheduleCheck)
    gap: timedelta | None = None

    def report(self, vm: Watched) -> WatchedVm:
        """Report on a VM."""
        verdict, reason = self._verdict()
        due = self.schedule.waits_for
        run, job = self.schedule.on_time or (None, None)
        return WatchedVm(
            vm=vm.entry.vm,
            vault=vm.vault.name,
            policy=vm.policy,
            start=vm.entry.start,
            timezone=vm.entry.timezone,
            written_at=vm.written_at,
            verdict=verdict,
            reason=reason,
            due_from=due.opens if due else None,
            due_until=due.closes if due else None,
            job_started=job.start if job else None,
            job_status=job.status if job else None,
            delay_minutes=round(run.delay(job.start) / timedelta(minutes=1), 1) if run and job else None,
            longest_gap_hours=None if self.gap is None else round(self.gap / timedelta(hours=1), 2),
            rpo_hours=vm.rpo / timedelta(hours=1),
            findings=tuple(self.findings),
            remarks=tuple(self.schedule.remarks),
        )

    def _verdict(self) -> tuple[Verdict, str]:
        alarms = [finding.what for finding in self.findings if finding.kind not in NOT_KNOWN]
        if alarms:
            return "alarm", "; ".join(alarms)
        if self.findings:
            return "unknown", self.findings[0].what
        return self.schedule.verdict()


@dataclass(frozen=True)
class _Look:
    """One look at the moved VMs.

    Parameters
    ----------
    inventory, reader
        Estate of the plan, and the service.
    now
        Present time.
    deep
        Whether to read the extended info of every VM.
    """

    inventory: Inventory
    reader: BackupReader
    now: datetime
    deep: bool

    def since(self, vm: Watched) -> datetime:
        """Time from which a VM's jobs matter, early enough to include its last recovery point before the change."""
        return max(vm.written_at - 2 * vm.rpo, self.now - _LONGEST_LOOK_BACK)

    def read_vault(self, vault_id: ArmId, since: datetime) -> _VaultState | CloudError:
        """State of a vault with its jobs since a time, or why it cannot be read."""
        try:
            jobs = self.reader.list_jobs(vault_id, since, self.now + timedelta(minutes=1))
            return _VaultState(
                policies={id_of(policy): policy for policy in self.reader.list_policies(vault_id)},
                items={id_of(item): item for item in self.reader.list_items(vault_id)},
                jobs=read_jobs(vault_id, jobs, self.inventory.job_owners),
            )
        except CloudError as exc:
            return exc

    def look_at(self, vm: Watched, state: _VaultState | CloudError) -> WatchedVm:
        """Check one VM."""
        if isinstance(state, CloudError):
            return _Judged([_unanswered(state)]).report(vm)
        item = state.items.get(vm.item.id)
        judged = self._judge(vm, state, item)
        if item is not None and (self.deep or judged.findings):
            judged = self._judge_deeply(vm, state, item, judged)
        return judged.report(vm)

    def _judge_deeply(self, vm: Watched, state: _VaultState, item: Resource, judged: _Judged) -> _Judged:
        """Check a VM again, with the extended info of its item."""
        try:
            return self._judge(vm, state, self.reader.get_item(vm.item.id) or item)
        except AuthError:
            raise
        except CloudError as exc:
            return replace(judged, findings=[_unanswered(exc), *judged.findings])

    def _judge(self, vm: Watched, state: _VaultState, item: Resource | None) -> _Judged:
        """Check an item, with or without its extended info, its policy and its jobs."""
        jobs = state.jobs.of(vm.item.vm_id, item)
        unclear = [job for job in state.jobs.unclear_of(vm.item.vm_id) if job not in jobs]
        schedule = self._check_schedule(vm, jobs, unclear)
        points = [job.start for job in jobs if job.made_a_point]
        last = parse_time(properties_of(item).get("lastRecoveryPoint"))
        points += [last] if last is not None and last <= self.now else []
        running = next((job.start for job in reversed(jobs) if job.running), None)
        gap, late = check_points(vm, points, running, self.now, unclear)
        findings = [*check_item(vm, item), *check_policy(vm, state.policies), *schedule.findings, *late]
        return _Judged(findings, schedule, gap)

    def _check_schedule(self, vm: Watched, jobs: Sequence[BackupJob], unclear: Sequence[BackupJob]) -> ScheduleCheck:
        offsets = self.inventory.pattern(self.inventory.policy(vm.item)).offsets
        new = runs_between(vm.recurrence, vm.option, offsets, vm.written_at, self.now + _LOOK_AHEAD)
        old = runs_between(vm.recurrence, vm.option_today, offsets, vm.written_at, self.now)
        return check_jobs(vm, jobs, new, old, self.now, unclear)


def _unanswered(error: CloudError) -> Finding:
    return Finding.of("request_failed", str(error), "watch again")
