"""Scheduler of the emulated service, which starts jobs for protected items at the times of their policies."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from optimizer.emulator.ids import container_of, key, vault_key
from optimizer.emulator.jobs import Job, JobBook, guid
from optimizer.emulator.moments import stamp
from optimizer.emulator.runs import next_run
from optimizer.emulator.settings import Settings
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
    policies, items
        Resources of the service, by key; items are replaced when their backups end.
    book
        Book in which jobs are recorded.
    settings, seed
        Behavior of jobs, and seed of their delays and failures.
    now
        Time after which jobs start; their nominal times may be earlier.
    """

    def __init__(
        self,
        policies: dict[str, Resource],
        items: dict[str, Resource],
        book: JobBook,
        settings: Settings,
        seed: int,
        now: datetime,
    ) -> None:
        self._policies, self._items, self._book = policies, items, book
        self._settings, self._seed = settings, seed
        self._born = now
        self._now = now - timedelta(minutes=settings.longest_delay_minutes)
        self._next: dict[str, tuple[Any, datetime | None]] = {}
        self._ending: list[tuple[datetime, str, str, Job]] = []
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
        first: datetime | None = None
        for name, policy in self._policies.items():
            known = self._next.get(name)
            if known is None or known[0] is not policy or (known[1] is not None and known[1] <= self._now):
                following = next_run(properties_of(policy), self._now, self._settings.clock_changes)
                known = self._next[name] = (policy, following)
            if known[1] is not None and (first is None or known[1] < first):
                first = known[1]
        return first

    def _start_jobs(self, due: datetime) -> None:
        running = {name for name in self._policies if self._next[name][1] == due}
        by_policy = defaultdict(list)
        for name, item in self._items.items():
            policy = key(properties_of(item).get("policyId") or "")
            if policy in running and vault_key(name) and is_scheduled(item):
                by_policy[policy].append((name, item))
        for name, item in (pair for policy in sorted(by_policy) for pair in by_policy[policy]):
            self._start_job(name, item, due)

    def _start_job(self, name: str, item: Resource, due: datetime) -> None:
        properties = properties_of(item)
        vm_id = key(text(properties.get("sourceResourceId")) or text(properties.get("virtualMachineId")))
        if vm_id in self._settings.missed_vms:
            return
        delay, luck = _draws(self._seed, name, due)
        start = due + timedelta(minutes=delay * self._settings.longest_delay_minutes)
        if start <= self._born:
            return
        end = start + timedelta(minutes=self._settings.job_minutes)
        error = ""
        if self._busy_until.get(name, start) > start:
            error, end = OVERRUN, start + timedelta(minutes=1)
        elif vm_id in self._settings.failing_vms or luck < self._settings.failure_rate:
            error = FAILURE
        job = Job(
            id=guid("backup", self._seed, name, due.isoformat()),
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
            item = self._items.get(name)
            if item is None:
                continue
            known = {"lastBackupStatus": job.status, "lastBackupTime": stamp(job.start)}
            if job.made_a_point:
                known |= {"lastRecoveryPoint": stamp(job.start + timedelta(seconds=4)), "protectionState": "Protected"}
                self.points[name] = self.points.get(name, 0) + 1
            if not is_scheduled(item) or _state(item) not in _UNTIL_A_BACKUP:
                known.pop("protectionState", None)
            self._items[name] = {**item, "properties": {**properties_of(item), **known}}

    def _ended(self, now: datetime) -> Iterator[tuple[str, Job]]:
        while self._ending and self._ending[0][0] <= now:
            _, _, name, job = heapq.heappop(self._ending)
            yield name, job


def _draws(seed: int, name: str, due: datetime) -> tuple[float, float]:
    """Two numbers in [0, 1) that are equal for the same run of the same item."""
    digits = guid("draw", seed, name, due.isoformat()).replace("-", "")
    return int(digits[:8], 16) / 16**8, int(digits[-8:], 16) / 16**8
