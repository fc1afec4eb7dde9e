"""VMs as rules see them, and the state of a vault as writes and other people change it."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.benchmarks.write_judge.clocks import Schedule, schedule_of
from tests.benchmarks.write_judge.record import Resource

STOPPED = {"protectionstopped", "protectionpaused", "backupssuspended"}

_SERVICE_FROM = (
    "tag:backup-service",
    "tag:app",
    "tag:application",
    "tag:service",
    "availability_set",
    "scale_set",
    "resource_group",
)
_NOT_COMPARED = {"protectedItemsCount", "resourceGuardOperationRequests"}


def properties_of(resource: Resource | None) -> dict[str, Any]:
    """Properties of a resource; empty where there is none."""
    return (resource or {}).get("properties") or {}


def policy_of(item: Resource | None) -> str:
    """Id of the policy of an item, in lower case."""
    return str(properties_of(item).get("policyId") or "").lower()


def vm_of(item: Resource | None) -> str:
    """Id of the VM of an item, in lower case."""
    own = properties_of(item)
    return str(own.get("sourceResourceId") or own.get("virtualMachineId") or "").lower()


def is_stopped(item: Resource | None) -> bool:
    """Whether nobody backs an item up: its owner stopped that, or it is deleted."""
    own = properties_of(item)
    state = str(own.get("protectionState") or "").lower()
    return not own.get("policyId") or state in STOPPED or bool(own.get("isScheduledForDeferredDelete"))


def vault_of(object_id: str) -> str:
    """Id of the vault of an object, in lower case."""
    parts = object_id.lower().split("/")
    return "/".join(parts[: parts.index("vaults") + 2])


def is_item(object_id: str) -> bool:
    """Whether an id is that of a protected item."""
    return "/protecteditems/" in object_id.lower()


def name_of(object_id: str) -> str:
    """Short name of an object."""
    return object_id.rpartition("/")[2].rpartition(";")[2]


def _tidy(value: object) -> object:
    if isinstance(value, Mapping):
        inner = {name: _tidy(item) for name, item in value.items() if name not in _NOT_COMPARED}
        return {name: item for name, item in sorted(inner.items()) if item is not None and item != {}}
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if isinstance(value, str) and len(value) >= 20 and value[4] == "-" and value[10] == "T":
        return value[:16]  # Z, +00:00 and fractions of a second are spellings of one moment
    return value


def state_of(resource: Resource | None) -> str:
    """What of a policy or an item counts when two readings are compared; empty where it is gone."""
    if resource is None:
        return ""
    own = properties_of(resource)
    if is_item(str(resource["id"])):
        shown: object = {
            "policy": policy_of(resource),
            "vm": vm_of(resource),
            "extended": _tidy(own.get("extendedProperties") or {}),
            "stopped": is_stopped(resource),
        }
    else:
        shown = _tidy(own)
    return json.dumps(shown, sort_keys=True)


@dataclass(frozen=True)
class Vm:
    """A VM as rules select it.

    Parameters
    ----------
    id
        In lower case.
    name, service, vault, subscription, resource_group, os, frequency
        What ``where`` may ask for.
    tags
        By name in lower case.
    """

    id: str
    name: str
    service: str
    vault: str
    vault_id: str
    subscription: str
    resource_group: str
    os: str
    frequency: str
    tags: Mapping[str, str] = field(hash=False)


def _service_of(resource: Resource, name: str, sources: Iterable[str]) -> str:
    tags = {key.lower(): value for key, value in (resource.get("tags") or {}).items()}
    own, parts = properties_of(resource), str(resource["id"]).split("/")
    other = {
        "availability_set": str((own.get("availabilitySet") or {}).get("id") or "").rpartition("/")[2],
        "scale_set": str((own.get("virtualMachineScaleSet") or {}).get("id") or "").rpartition("/")[2],
        "resource_group": parts[4],
    }
    for source in sources:
        found = tags.get(source[4:].lower()) if source.startswith("tag:") else other[source]
        if found:
            return str(found)
    return name


def vms_of(
    vms: Iterable[Resource], items: Iterable[Resource], policies: Iterable[Resource], rules: dict[str, Any]
) -> dict[str, Vm]:
    """VMs that are backed up, by id in lower case."""
    machines = {str(vm["id"]).lower(): vm for vm in vms}
    schedules = {str(policy["id"]).lower(): schedule_of(policy) for policy in policies}
    sources = rules.get("service_from") or _SERVICE_FROM
    found = {}
    for item in items:
        key = vm_of(item)
        parts, vault = key.split("/"), vault_of(item["id"])
        resource = machines.get(key) or {"id": key, "properties": {}}
        schedule, disk = schedules.get(policy_of(item)), properties_of(resource).get("storageProfile") or {}
        found[key] = Vm(
            id=key,
            name=parts[-1],
            service=_service_of(resource, parts[-1], sources).lower(),
            vault=vault.rpartition("/")[2],
            vault_id=vault,
            subscription=parts[2],
            resource_group=parts[4],
            os=str((disk.get("osDisk") or {}).get("osType") or ""),
            frequency=schedule.frequency if schedule else "",
            tags={name.lower(): value for name, value in (resource.get("tags") or {}).items()},
        )
    return found


def _like(value: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(value.lower(), pattern.lower().replace("[", "[[]"))


def fits(wanted: str | Mapping[str, Any], vm: Vm) -> bool:
    """Whether a VM is in a set of VMs: a pattern of names, or criteria that must all hold."""
    if isinstance(wanted, str):
        return _like(vm.name, wanted)
    for name, pattern in wanted.items():
        if name == "tag":
            if not all(key.lower() in vm.tags and _like(vm.tags[key.lower()], text) for key, text in pattern.items()):
                return False
        elif name == "frequency":
            if vm.frequency not in ([pattern] if isinstance(pattern, str) else pattern):
                return False
        elif not _like(str(getattr(vm, name)), pattern):
            return False
    return True


def is_for(rule: Mapping[str, Any], vm: Vm) -> bool:
    """Whether a rule is for a VM."""
    return fits(rule.get("where") or {}, vm) and not any(fits(one, vm) for one in rule.get("except") or ())


def group_of(rule: Mapping[str, Any], vm: Vm) -> str:
    """Within what a rule counts a VM: its service, its vault, or everything."""
    per = rule.get("per") or ("service" if rule.get("max_concurrent") else "")
    return {"service": vm.service, "vault": vm.vault_id}.get(per, "")


@dataclass
class State:
    """Policies and items as they are at some moment.

    Parameters
    ----------
    policies, items
        By id in lower case.
    """

    policies: dict[str, Resource]
    items: dict[str, Resource]

    @classmethod
    def of(cls, policies: Iterable[Resource], items: Iterable[Resource]) -> State:
        """State of raw resources."""
        return cls({str(one["id"]).lower(): one for one in policies}, {str(one["id"]).lower(): one for one in items})

    def get(self, key: str) -> Resource | None:
        """A policy or an item."""
        return (self.items if is_item(key) else self.policies).get(key)

    def put(self, key: str, resource: Resource | None) -> None:
        """Change a policy or an item; None: it is gone."""
        where = self.items if is_item(key) else self.policies
        if resource is None:
            where.pop(key, None)
        else:
            where[key] = resource

    def members(self, policy: str) -> list[Resource]:
        """Items of a policy."""
        return [item for item in self.items.values() if policy_of(item) == policy]

    def schedules(self) -> dict[str, Schedule]:
        """Schedule by VM id of every item that is backed up."""
        read: dict[str, Schedule | None] = {}
        found = {}
        for item in self.items.values():
            policy = policy_of(item)
            if is_stopped(item):
                continue
            if policy not in read:
                read[policy] = schedule_of(self.policies.get(policy))
            schedule = read[policy]
            if schedule is not None:
                found[vm_of(item)] = schedule
        return found


def local_date(at: datetime, schedule: Schedule) -> str:
    """Date of a moment on the clock of a policy."""
    return at.astimezone(schedule.zone).date().isoformat()
