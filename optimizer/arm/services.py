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

    def text(self, label: str, *, qualified: bool) -> str:
        """Name of the service, with its qualifier if other services have the same label."""
        return f"{label} ({self.qualifier})" if qualified and self.qualifier else label


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
    labels = _labels(claims.values())
    keys_by_label: dict[Caseless, set[str]] = {}
    for claim in claims.values():
        keys_by_label.setdefault(Caseless(claim.label), set()).add(claim.key)
    ambiguous = {label for label, keys in keys_by_label.items() if len(keys) > 1}
    return {
        vm_id: claim.text(labels[claim.key], qualified=Caseless(claim.label) in ambiguous)
        for vm_id, claim in claims.items()
    }


def _labels(claims: Iterable[_Claim]) -> dict[str, str]:
    """One label for each service, also where its id occurs in several spellings."""
    labels: dict[str, str] = {}
    for claim in claims:
        labels[claim.key] = min(labels.get(claim.key, claim.label), claim.label)
    return labels


def _claim(vm: Vm, service_from: Sequence[str], stated: Mapping[ArmId, str]) -> _Claim:
    if service := stated.get(vm.id):
        return _named(service)
    claims = (_from_source(vm, source) for source in service_from)
    return next(filter(None, claims), _Claim(f"vm {vm.id.key}", vm.name, f"VM {vm.id}"))


def _from_source(vm: Vm, source: str) -> _Claim | None:
    if source.startswith("tag:"):
        return _from_tag(vm, Caseless(source.removeprefix("tag:")))
    return _from_group(vm) if source == "resource_group" else _from_set(vm, source)


def _from_tag(vm: Vm, wanted: Caseless) -> _Claim | None:
    values = (value.strip() for key, value in vm.tags.items() if wanted == key)
    value = next(filter(None, values), "")
    return _named(value) if value else None


def _from_group(vm: Vm) -> _Claim | None:
    if not vm.resource_group:
        return None
    group = Caseless(f"{vm.subscription}/{vm.resource_group}")
    return _Claim(f"resource group {group.key}", vm.resource_group, f"resource group, {vm.subscription}")


def _from_set(vm: Vm, source: str) -> _Claim | None:
    """Claim of an availability set or a scale set."""
    set_id = ArmId(getattr(vm, source))
    if not set_id:
        return None
    kind = source.replace("_", " ")
    group = set_id.key.partition("/subscriptions/")[2].partition("/providers/")[0]
    location = group.replace("/resourcegroups/", "/")
    return _Claim(f"{kind} {set_id.key}", ArmId(set_id.rstrip("/")).name, f"{kind}, {location}")


def _named(service: str) -> _Claim:
    return _Claim(f"named {service}", service, "")
