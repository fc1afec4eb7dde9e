"""Assigns each VM to a service, by sources that are tried in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Vm


@dataclass(frozen=True)
class _Claim:
    """A service that a source yields: ``key`` identifies the service, and ``label`` is shown to people."""

    key: str
    label: str
    qualifier: str


def assign_services(
    vms: Iterable[Vm], service_from: Sequence[str], explicit: Mapping[ArmId, str] | None = None
) -> dict[ArmId, str]:
    """Service of every VM.

    Two resource groups (or sets) with the same name in different places are two services, and their labels state where
    they are. Equal values of a tag mean the same service everywhere.

    Parameters
    ----------
    vms
        The VMs, without services.
    service_from
        Sources: ``tag:NAME``, ``availability_set``, ``scale_set``, ``resource_group``. The first that a VM has
        decides.
    explicit
        Services by VM id that take precedence over every source.

    Returns
    -------
    dict
        Services by VM id. A VM for which no source yields a service is a service of its own.
    """
    claims = {vm.id: _claim(vm, service_from, explicit or {}) for vm in vms}
    labels: dict[str, str] = {}
    keys_by_label: dict[Caseless, set[str]] = {}
    for claim in claims.values():
        label = min(labels.get(claim.key, claim.label), claim.label)  # one spelling for ids that differ only in case
        labels[claim.key] = label
        keys_by_label.setdefault(Caseless(claim.label), set()).add(claim.key)
    return {
        vm_id: labels[claim.key]
        if len(keys_by_label[Caseless(claim.label)]) == 1 or not claim.qualifier
        else f"{labels[claim.key]} ({claim.qualifier})"
        for vm_id, claim in claims.items()
    }


def _claim(vm: Vm, service_from: Sequence[str], stated: Mapping[ArmId, str]) -> _Claim:
    if service := stated.get(vm.id):
        return _named(service)
    tags = {Caseless(key): value.strip() for key, value in vm.tags.items()}
    for source in service_from:
        if source.startswith("tag:"):
            if value := tags.get(Caseless(source.removeprefix("tag:"))):
                return _named(value)
        elif source == "resource_group":
            if vm.resource_group:
                group = Caseless(f"{vm.subscription}/{vm.resource_group}")
                return _Claim(f"resource group {group.key}", vm.resource_group, f"resource group, {vm.subscription}")
        elif set_id := ArmId(getattr(vm, source)):
            label = ArmId(set_id.rstrip("/")).name
            place = set_id.key.partition("/subscriptions/")[2].partition("/providers/")[0]
            kind = source.replace("_", " ")
            return _Claim(f"{kind} {set_id.key}", label, f"{kind}, {place.replace('/resourcegroups/', '/')}")
    return _Claim(f"vm {vm.id.key}", vm.name, f"VM {vm.id}")


def _named(service: str) -> _Claim:
    return _Claim(f"named {service}", service, "")
