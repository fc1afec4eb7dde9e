"""Scheduler of the emulated service, which starts jobs for protected items at the times of their policies."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from optimizer.emulator.contents import Contents, policy_key
from optimizer.emulator.ids import container_of, key, vault_key
from optimizer.emulator.jobs import EmulatedJob, JobBook, guid
from optimizer.emulator.moments import stamp
from optimizer.emulator.runs import next_run
from optimizer.emulator.settings import EmulatorSettings
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import properties_of, text, word

if TYPE_CHECKING:
    from optimizer.ports import Resource

OVERRUN = "UserErrorBackupOperationInProgress"
"""Error code of a job that starts while the previous one of its item is still running."""

FAILURE = "GuestAgentSnapshotTaskStatusError"
"""Error code of a job that fails by chance or by request."""

_STOPPED = {Caseless("ProtectionStopped"), Caseless("ProtectionPaused"), Caseless("BackupsSuspended")}
"""Protection states in which the service starts no backups."""


_UNTIL_A_BACKUP = {Caseless(state) for state in ("", "Protected", "IRPending", "ProtectionError", "Invalid")}
"""States that a successful backup changes to ``Protected``; unknown states are kept."""


def _state(item: Resource) -> Caseless:
    return word(properties_of(item).get("protectionState"))


def is_scheduled(item: Resource) -> bool:
    """Whether the service starts backups of an item."""
    properties = properties_of(item)
    stopped = _state(item) in _STOPPED
    return bool(properties.get("policyId")) and not stopped and not properties.get("isScheduledForDeferredDelete")


class Scheduler:
    """Starts and ends jobs as time passes.

    Parameters
    ----------
    contents
        Resources of the service; items change when their backups end.
    book
        Book in which jobs are recorded.
    settings
        Behavior of jobs.
    now
        Time after which jobs start; their nominal times may be earlier.
    """

    def __init__(self, contents: Contents, book: JobBook, settings: EmulatorSettings, now: datetime) -> None:
        self._contents, self._book, self._settings = contents, book, settings
        self._born = now
        self._now = now - timedelta(minutes=settings.longest_delay_minutes)
        self._next: dict[str, tuple[Any, datetime | None]] = {}
        self._ending: list[tuple[datetime, str, str, EmulatedJob]] = []
        self._busy_until: dict[str, datetime] = {}
        self.points: dict[str, int] = {}

    def advance(self, now: datetime) -> None:
        """Start all runs and end all jobs up to a time."""
        while (due := self._first_due()) is not None and due <= now:
            self._now = due
            self._start_jobs(due)
        self._now = max(self._now, now)
        self._end_jobs(now)

    def _first_due(self) -> datetime | None:
        """Earliest nominal time of any policy after the last one; policies may have been replaced in the meantime."""
        runs = (self._next_run(name, policy) for name, policy in self._contents.policies.items())
        return min((run for run in runs if run is not None), default=None)

    def _next_run(self, name: str, policy: Resource) -> datetime | None:
        known_policy, run = self._next.get(name, (None, None))
        if known_policy is not policy or (run is not None and run <= self._now):
            run = next_run(properties_of(policy), self._now, self._settings.clock_changes)
            self._next[name] = (policy, run)
        return run

    def _start_jobs(self, due: datetime) -> None:
        running = {name for name in self._contents.policies if self._next[name][1] == due}
        by_policy = defaultdict(list)
        for name, item in self._contents.items.items():
            policy = policy_key(item)
            if policy in running and vault_key(name) and is_scheduled(item):
                by_policy[policy].append((name, item))
        for name, item in (pair for policy in sorted(by_policy) for pair in by_policy[policy]):
            self._start_job(name, item, due)

    def _start_job(self, name: str, item: Resource, due: datetime) -> None:
        properties = properties_of(item)
        vm_id = key(text(properties.get("sourceResourceId")) or text(properties.get("virtualMachineId")))
        if vm_id in self._settings.missed_vms:
            return
        delay, luck = _draws(self._settings.seed, name, due)
        start = due + timedelta(minutes=delay * self._settings.longest_delay_minutes)
        if start <= self._born:
            return
        end = start + timedelta(minutes=self._settings.job_minutes)
        error = ""
        if self._busy_until.get(name, start) > start:
            error, end = OVERRUN, start + timedelta(minutes=1)
        elif vm_id in self._settings.failing_vms or luck < self._settings.failure_rate:
            error = FAILURE
        job = EmulatedJob(
            id=guid("backup", self._settings.seed, name, due.isoformat()),
            vault_id=item["id"][: len(vault_key(item["id"]))],
            container=container_of(item),
            vm=str(properties.get("friendlyName") or ArmId(vm_id).name),
            start=start,
            end=end,
            operation="Backup",
            status="Failed" if error else "Completed",
            error=error,
        )
        self._book.add(job)
        self._busy_until[name] = max(end, self._busy_until.get(name, end))
        heapq.heappush(self._ending, (end, job.id, name, job))

    def _end_jobs(self, now: datetime) -> None:
        for name, job in self._ended(now):
            item = self._contents.items.get(name)
            if item is None:
                continue
            if job.made_a_point:
                self.points[name] = self.points.get(name, 0) + 1
            self._contents.change_item(name, **_after(job, item))

    def _ended(self, now: datetime) -> Iterator[tuple[str, EmulatedJob]]:
        while self._ending and self._ending[0][0] <= now:
            _, _, name, job = heapq.heappop(self._ending)
            yield name, job


def _after(job: EmulatedJob, item: Resource) -> dict[str, str]:
    """Properties of an item that a job changes at its end."""
    changed = {"lastBackupStatus": job.status, "lastBackupTime": stamp(job.start)}
    if not job.made_a_point:
        return changed
    changed["lastRecoveryPoint"] = stamp(job.start + timedelta(seconds=4))
    if is_scheduled(item) and _state(item) in _UNTIL_A_BACKUP:
        changed["protectionState"] = "Protected"
    return changed


def _draws(seed: int, name: str, due: datetime) -> tuple[float, float]:
    """Two numbers in [0, 1) that are equal for the same run of the same item."""
    digits = guid("draw", seed, name, due.isoformat()).replace("-", "")
    return int(digits[:8], 16) / 16**8, int(digits[-8:], 16) / 16**8
