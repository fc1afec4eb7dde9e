"""Backup jobs of a vault, and the VMs that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from optimizer.arm import parse_time
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.job_owners import JobOwners
from optimizer.model.raw import objects, properties_of, text, word
from optimizer.ports import Resource

_SAME_TIME = timedelta(minutes=2)
"""Maximum distance at which an item's last backup and the start of a job count as the same backup."""


_MADE_A_POINT = {Caseless("Completed"), Caseless("CompletedWithWarnings")}


_RUNNING = {Caseless("InProgress"), Caseless("Cancelling")}


@dataclass(frozen=True, slots=True)
class BackupJob:
    """A backup job.

    Parameters
    ----------
    scheduled
        Whether the schedule started it. Azure does not state this for every kind of job; True if it does not.
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
        Jobs that do not say which VM they belong to, with the possible VMs. Without VMs: any VM of the vault.
    """

    by_vm: Mapping[ArmId, Sequence[BackupJob]]
    unclear: Sequence[tuple[BackupJob, frozenset[ArmId]]] = ()

    def of(self, vm_id: ArmId, item: Resource | None) -> list[BackupJob]:
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

    def unclear_of(self, vm_id: ArmId) -> list[BackupJob]:
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
    by_vm: dict[ArmId, list[BackupJob]] = {}
    unclear: list[tuple[BackupJob, frozenset[ArmId]]] = []
    for resource in resources:
        properties = properties_of(resource)
        start = parse_time(properties.get("startTime"))
        if start is None or word(properties.get("operation")) != "Backup":
            continue
        job = BackupJob(
            start, text(properties.get("status")), not properties.get("isUserTriggered"), _error(properties)
        )
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
        if title := text(detail.get("errorTitle")) or text(detail.get("errorString")):
            return title
    return ""
