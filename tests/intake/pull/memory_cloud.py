"""A cloud in memory, made of an estate: the ports that a pull asks, without any network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np

from optimizer.errors import CloudError, RejectedError
from optimizer.estate.folder import Estate
from optimizer.intake.pull.pull_source import LoadChunk, LoadTarget, MissingLoad, PullSource
from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad
from optimizer.ports import Resource

VAULT_TYPE = "Microsoft.RecoveryServices/vaults"


@dataclass
class MemoryCloud:
    """What an estate holds, served as Azure would; every port of a :class:`PullSource` at once.

    Parameters
    ----------
    estate
        What there is.
    errors
        What a call for a vault raises: by method and id.
    refused
        VMs whose load fails, and why.
    silent
        VMs of which there is no load.
    vms
        What the directory says of the VMs; those of the estate by default.
    """

    estate: Estate
    errors: dict[tuple[str, str], CloudError] = field(default_factory=dict)
    refused: dict[str, MissingLoad] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    vms: list[Resource] | None = None
    items: list[Resource] | None = None
    jobs: dict[str, list[Resource]] = field(default_factory=dict)
    asked: list[tuple[date, str, datetime]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)

    def source(self, **others: Any) -> PullSource:
        """The ports."""
        return PullSource(self, self, self, lambda: dict(self.calls), **others)  # type: ignore[arg-type]

    def _begin(self, method: str, key: str = "") -> None:
        self.calls[method] += 1
        if (method, key) in self.errors:
            raise self.errors[method, key]

    def _inside(self, vault_id: str, resources: Sequence[Resource]) -> list[Resource]:
        return [part for part in resources if str(part["id"]).lower().startswith(vault_id.lower() + "/")]

    def find_vaults(self, subscriptions: Sequence[str], management_groups: Sequence[str]) -> list[Resource]:
        """Vaults of the subscriptions, or all of them for a management group."""
        self._begin("find_vaults")
        wanted = {subscription.lower() for subscription in subscriptions}
        return [
            {**vault, "type": VAULT_TYPE.lower()}
            for vault in self.estate.document.vaults
            if management_groups or str(vault["id"]).split("/")[2].lower() in wanted
        ]

    def find_vms(self, subscriptions: Sequence[str]) -> list[Resource]:
        """VMs of the subscriptions."""
        self._begin("find_vms")
        vms = list(self.estate.document.vms) if self.vms is None else self.vms
        return [vm for vm in vms if str(vm["id"]).split("/")[2].lower() in subscriptions]

    def list_policies(self, vault_id: str) -> list[Resource]:
        """Policies of a vault."""
        self._begin("list_policies", str(vault_id))
        return self._inside(vault_id, self.estate.document.policies)

    def list_items(self, vault_id: str) -> list[Resource]:
        """Items of a vault."""
        self._begin("list_items", str(vault_id))
        return self._inside(vault_id, self.items or self.estate.document.protected_items)

    def list_jobs(self, vault_id: str, since: datetime, until: datetime) -> list[Resource]:
        """Jobs of a vault."""
        self._begin("list_jobs", str(vault_id))
        times = (since, until)
        return [
            job
            for job in self.jobs.get(str(vault_id), [])
            if times[0] <= datetime.fromisoformat(job["properties"]["startTime"]) < times[1]
        ]

    def vault_settings(self, vault_id: str) -> list[Resource]:
        """The vault and a configuration of it."""
        self._begin("vault_settings", str(vault_id))
        vaults = [vault for vault in self.estate.document.vaults if str(vault["id"]).lower() == vault_id.lower()]
        if not vaults:
            raise RejectedError(f"no vault {vault_id}")
        config = {"id": vault_id + "/backupconfig/vaultconfig", "type": VAULT_TYPE + "/backupconfig", "properties": {}}
        return [*vaults, config]

    def read_day(self, targets: Sequence[LoadTarget], day: date, end: datetime) -> Iterator[LoadChunk]:
        """Load of the VMs, some at a time."""
        load = self.estate.load.read_day(day)
        by_id = {vm_id.lower(): row for row, vm_id in enumerate(load.vm_ids)}
        until = min(end, datetime.combine(day, time.min, UTC) + timedelta(days=1))
        for first in range(0, len(targets), 7):
            part = targets[first : first + 7]
            self.calls["metrics"] += 1
            self.asked += [(day, target.vm_id, target.start) for target in part]
            yield self._chunk(part, load, by_id, until)

    def _chunk(self, part: Sequence[LoadTarget], load: DayLoad, by_id: dict[str, int], until: datetime) -> LoadChunk:
        refused = {ArmId(vm_id): refusal for vm_id, refusal in self.refused.items()}
        silent = set(map(ArmId, self.silent))
        cpu, mem = (np.full((len(part), 288), np.nan, dtype=np.float32) for _ in range(2))
        midnight = datetime.combine(load.date, time.min, UTC)
        for place, target in enumerate(part):
            row = by_id.get(target.vm_id.lower())
            if row is None or target.vm_id in refused or target.vm_id in silent:
                continue
            first = max(0, (target.start - midnight) // timedelta(minutes=5))
            last = (until - midnight) // timedelta(minutes=5)
            cpu[place, first:last] = load.cpu_percent[row, first:last]
            mem[place, first:last] = load.mem_percent[row, first:last]
        vm_ids = tuple(target.vm_id for target in part)
        failed = {vm_id: refused[vm_id] for vm_id in vm_ids if vm_id in refused}
        return LoadChunk(vm_ids, {"cpu_percent": cpu, "mem_percent": mem}, failed, int((~np.isnan(cpu)).sum()))


def shouting(item: Resource) -> Resource:
    """An item that spells its VM in another case, as Azure does at times."""
    properties = item["properties"]
    other = {key: properties[key].upper() for key in ("sourceResourceId", "virtualMachineId")}
    return {**item, "properties": {**properties, **other}}
