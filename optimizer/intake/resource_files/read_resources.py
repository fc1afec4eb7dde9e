"""Reads the inventory from JSON files of the Azure CLI, REST, Resource Graph or a template export."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from optimizer.arm import Absence, is_of_a_vm
from optimizer.errors import DataError, UsageError
from optimizer.intake.arm_ids import is_group_id
from optimizer.intake.json_files import read_json
from optimizer.intake.listing import Listing, by_name
from optimizer.intake.resource_files.resource_shapes import KINDS, Kind, fault_in, find_differences, kind_of, to_arm
from optimizer.intake.resource_files.template import Template
from optimizer.intake.spelling import source_vm
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import id_of, properties_of
from optimizer.ports import Resource

_SHOWN = 5
"""Number of objects that a note names before it counts the rest."""

_MOST_WRAPPERS = 6
"""Maximum nesting of lists and pages; pages of a list of lists have fewer levels."""

_OF_ANSWERS = frozenset({"value", "data", "error", "facets", "count", "id"})
"""Known keys of answers that do not contain lists of resources."""

_TRUNCATED = ("nextLink", "$skipToken", "skip_token", "skipToken")
"""Fields of an answer that is not the last page."""


@dataclass
class _Reading:
    """Resources and remarks that have been read so far.

    Parameters
    ----------
    group_id
        ARM id of the resource group of exported templates; empty if unknown.
    found
        Resources by kind, and by id in lower case.
    left_out
        Places of entries that were left out, by reason.
    not_used
        Number of resources of unused types, by type.
    places
        Place where each resource was first found.
    conflicts
        Resources on which two places disagree.
    """

    group_id: str = ""
    found: dict[Kind, dict[ArmId, Resource]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    left_out: dict[str, list[str]] = field(default_factory=dict)
    not_used: Counter[str] = field(default_factory=Counter)
    templates: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    places: dict[ArmId, str] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    repeated: int = 0

    def leave_out(self, place: str, reason: str) -> None:
        """Record an entry that is not used, with the reason."""
        self.left_out.setdefault(reason, []).append(place)

    def walk(self, value: object, place: str, wrappers: int = 0) -> None:
        """Read every resource in a value: a resource, list, page, table, template, or an object of lists."""
        if wrappers > _MOST_WRAPPERS:
            self.leave_out(place, "it is nested too deeply to be a list of resources")
        elif isinstance(value, list):
            for number, entry in enumerate(value, start=1):
                self.walk(entry, f"{place}, element {number}", wrappers + 1)
        elif not isinstance(value, dict):
            self.leave_out(place, f"it is {_shown(value)}, not a resource")
        elif isinstance(value.get("template"), dict) or "contentVersion" in value:
            self.templates.append((place, value.get("template") or value))
        elif "id" in value:
            self.take(value, place)
        else:
            self._unwrap(value, place, wrappers)

    def _unwrap(self, value: Mapping[str, Any], place: str, wrappers: int) -> None:
        lists = [key for key in (*KINDS, "value") if key in value]
        for key in lists:
            self.walk(value[key] if value[key] is not None else [], f"{place}, {key}", wrappers + 1)
        data = value.get("data")
        if isinstance(data, dict) and isinstance(data.get("columns"), list) and isinstance(data.get("rows"), list):
            for number, row in enumerate(_table(data), start=1):
                self.walk(row, f"{place}, row {number}", wrappers + 1)
        elif isinstance(data, list):
            self.walk(data, f"{place}, data", wrappers + 1)
        elif not lists:
            keys = ", ".join(map(repr, list(value)[:_SHOWN])) or "nothing"
            hints = "".join(_did_you_mean(key) for key in list(value)[:_SHOWN])
            self.leave_out(place, f"it has no id, and none of the keys that hold resources, but {keys}{hints}")
        for key in value if lists else ():
            if key not in KINDS and key not in _OF_ANSWERS and isinstance(value[key], dict | list):
                self.leave_out(place, f"the key {key!r} is not known{_did_you_mean(key)}")
        if any(value.get(key) for key in _TRUNCATED) or Caseless(str(value.get("resultTruncated"))) == "true":
            self.cut.append(place)

    def take(self, resource: Mapping[str, Any], place: str) -> None:
        """Keep a resource, or record why it is not kept."""
        kind, arm_type = kind_of(resource)
        if not arm_type:
            self.leave_out(place, f"its id is {_shown(resource.get('id'))}, which is not the ARM id of a resource")
        elif kind is None:
            self.not_used[arm_type] += 1
        elif fault := fault_in(resource):
            self.leave_out(place, fault)
        else:
            arm = to_arm(kind, resource)
            key = id_of(arm)
            kept = self.found[kind].setdefault(key, arm)
            if kept is arm:
                self.places[key] = place
            elif differences := list(find_differences(kind, kept, arm)):
                where, one, two = differences[0]
                self.conflicts.append(
                    f"{arm['id']}: {where} is {_shown(one)} in {self.places[key]}, and {_shown(two)} in {place}"
                )
            else:
                self.repeated += 1

    def take_templates(self) -> None:
        """Read the templates, after the vaults of the other files are known."""
        vault_ids = by_name(self.found["vaults"].values())
        for place, content in self.templates:
            for where, read in Template(content, self.group_id, vault_ids).resources():
                if isinstance(read, str):
                    self.leave_out(f"{place}, {where}", read)
                else:
                    self.take(read, f"{place}, {where}")


def read_resources(files: Sequence[Path], group_id: str = "", known: Mapping[ArmId, str] | None = None) -> Listing:
    """Read the inventory from files with ARM resources.

    Parameters
    ----------
    files
        JSON files in any combination; two files may contain the same resource if they do not contradict each other.
    group_id
        ARM id of the resource group that templates were exported from; templates do not state it.
    known
        Spelling of VM ids in the estate that is appended to.

    Raises
    ------
    DataError
        A file cannot be read, no file contains a protected item, or two files disagree on a resource.
    UsageError
        The resource group is not a valid ARM id.
    """
    if group_id and not is_group_id(group_id.rstrip("/")):
        raise UsageError(
            f"--resource-group is {group_id!r}; allowed: an ARM id such as "
            "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/backup"
        )
    reading = _Reading(group_id.rstrip("/"))
    for file in files:
        reading.walk(read_json(file), str(file))
    reading.take_templates()
    found = reading.found
    if reading.conflicts:
        raise DataError(_contradictory(files, reading.conflicts))
    if not found["protected_items"]:
        raise DataError(_nothing(files, reading))
    stubs = list(_missing_vaults(found))
    for vault in stubs:
        found["vaults"][id_of(vault)] = vault
    vms, unprotected, unlisted = _protected_vms(found, known or {})
    missing = _missing_vms(found, known or {})
    return Listing(
        source="resources",
        vaults=tuple(found["vaults"].values()),
        policies=tuple(found["policies"].values()),
        protected_items=tuple(found["protected_items"].values()),
        vms=tuple(vms),
        vault_settings=tuple(found["vault_settings"].values()),
        vm_ids=tuple(sorted(str(vm["id"]) for vm in _with_unlisted(vms, found, known or {}))),
        missing_vms=missing,
        namesakes=tuple(str(vm["id"]) for key, vm in found["vms"].items() if key not in _protected_ids(found)),
        left_out=tuple(_left_out(reading)),
        notes=tuple(_notes(reading, missing, len(stubs), unprotected, unlisted)),
    )


def _contradictory(files: Sequence[Path], conflicts: Sequence[str]) -> str:
    more = f"\n  ... and {len(conflicts) - _SHOWN:,} more" if len(conflicts) > _SHOWN else ""
    listed = "".join(f"\n  {conflict}" for conflict in conflicts[:_SHOWN])
    return (
        f"{', '.join(map(str, files))}: {_number(len(conflicts), 'resource')} given more than once, with different "
        f"content; keep the newer of the files{listed}{more}"
    )


def _number(count: int, noun: str) -> str:
    return f"1 {noun} is" if count == 1 else f"{count:,} {noun}s are"


def _did_you_mean(key: str) -> str:
    """Hint at the nearest key for resources; empty if no key is similar."""
    spelt = re.sub(r"(?<=[a-z])(?=[A-Z])|[-\s]+", "_", key).lower()
    near = difflib.get_close_matches(spelt, (*KINDS, "value"), n=1, cutoff=0.75)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _shown(value: object) -> str:
    """An invalid value as text, short enough for a message."""
    text = json.dumps(value, ensure_ascii=False) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _table(data: Mapping[str, Any]) -> Iterator[object]:
    """Rows of a Resource Graph table as objects."""
    names = [str(column.get("name")) if isinstance(column, dict) else str(column) for column in data["columns"]]
    for row in data["rows"]:
        yield dict(zip(names, row, strict=True)) if isinstance(row, list) and len(row) == len(names) else row


def _missing_vaults(found: Mapping[Kind, Mapping[ArmId, Resource]]) -> Iterator[Resource]:
    """Vaults that occur only in the ids of policies and items."""
    known = set(found["vaults"])
    for resource in chain(found["policies"].values(), found["protected_items"].values()):
        vault_id = id_of(resource).vault
        if vault_id not in known:
            known.add(vault_id)
            yield {"id": str(vault_id), "name": vault_id.name, "type": "Microsoft.RecoveryServices/vaults"}


def _protected_ids(found: Mapping[Kind, Mapping[ArmId, Resource]]) -> dict[ArmId, ArmId]:
    """Ids of the protected VMs; the values are the spellings to use."""
    protected: dict[ArmId, ArmId] = {}
    for item in found["protected_items"].values():
        if vm_id := source_vm(item):
            protected.setdefault(vm_id, vm_id)
    return protected


def _protected_vms(
    found: Mapping[Kind, Mapping[ArmId, Resource]], known: Mapping[ArmId, str]
) -> tuple[list[Resource], int, bool]:
    """VMs with a protected item, the number of VMs without one, and whether no file lists VMs at all."""
    protected, listed = _protected_ids(found), found["vms"]
    if not listed:
        stubs = [known.get(key, vm_id) for key, vm_id in protected.items()]
        return [{"id": str(vm_id), "name": ArmId(vm_id).name} for vm_id in stubs], 0, True
    vms = [{**vm, "id": known.get(key, vm["id"])} for key, vm in listed.items() if key in protected]
    named = {_place_in_name(item_id) for item_id in _silent_items(found)}
    unprotected = sum(_place_of(key) not in named for key in listed if key not in protected)
    return vms, unprotected, False


def _silent_items(found: Mapping[Kind, Mapping[ArmId, Resource]]) -> list[ArmId]:
    """Ids of items that protect VMs but do not state which."""
    items = found["protected_items"].values()
    return [id_of(item) for item in items if is_of_a_vm(properties_of(item)) and not source_vm(item)]


def _place_in_name(item_id: ArmId) -> tuple[Caseless, Caseless]:
    """Resource group and name of the VM in an item's id, ``.../VM;iaasvmcontainerv2;group;name``."""
    parts = item_id.name.split(";")
    return (Caseless(parts[-2]), Caseless(parts[-1])) if len(parts) > 1 else (Caseless(), Caseless())


def _place_of(vm_id: ArmId) -> tuple[Caseless, Caseless]:
    """Resource group and name of a VM."""
    return vm_id.resource_group, Caseless(vm_id.name)


def _missing_vms(found: Mapping[Kind, Mapping[ArmId, Resource]], known: Mapping[ArmId, str]) -> dict[ArmId, Absence]:
    """Protected VMs that no file lists, and how they are missing; empty if no file lists any VM."""
    listed = found["vms"]
    looked_in = {key.subscription for key in listed}
    return {
        ArmId(known.get(key, vm_id)): "gone" if key.subscription in looked_in else "hidden"
        for key, vm_id in _protected_ids(found).items()
        if listed and key not in listed
    }


def _with_unlisted(
    vms: Sequence[Resource], found: Mapping[Kind, Mapping[ArmId, Resource]], known: Mapping[ArmId, str]
) -> list[Resource]:
    listed = set(map(id_of, vms))
    rest = {key: vm_id for key, vm_id in _protected_ids(found).items() if key not in listed}
    return [*vms, *({"id": str(known.get(key, vm_id))} for key, vm_id in rest.items())]


def _nothing(files: Sequence[Path], reading: _Reading) -> str:
    counts = ", ".join(_counted(len(held), kind) for kind, held in reading.found.items() if held) or "nothing"
    reasons = "".join(f"\n  {line}" for line in _left_out(reading))
    return (
        f"no protected item in {', '.join(map(str, files))} (found: {counts}); add the output of 'az backup item "
        f"list', and of 'az backup policy list' for each vault{reasons}"
    )


def _counted(count: int, kind: Kind) -> str:
    name = {"vms": "VMs", "policies": "policies"}.get(kind, kind.replace("_", " "))
    return f"{count} {'policy' if kind == 'policies' else name[:-1]}" if count == 1 else f"{count:,} {name}"


def _left_out(reading: _Reading) -> Iterator[str]:
    for reason, places in reading.left_out.items():
        more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
        yield f"Left out, because {reason}: {'; '.join(places[:_SHOWN])}{more}."
    for arm_type, count in sorted(reading.not_used.items()):
        yield f"Not used: {count} of type {arm_type}."


def _notes(
    reading: _Reading, missing: Mapping[ArmId, Absence], missing_vaults: int, unprotected: int, unlisted: bool
) -> Iterator[str]:
    if reading.cut:
        yield (
            f"Only a part of the answer is in {'; '.join(reading.cut)}: save every page (az graph query returns 100 "
            "rows unless --first 1000 is given)."
        )
    if not reading.found["policies"]:
        yield "No file holds backup policies, so no VM can be planned: add the output of 'az backup policy list'."
    if reading.repeated:
        yield f"Resources that were given more than once, without contradiction: {reading.repeated}."
    if missing_vaults:
        yield (
            f"Vaults known only from the ids of their policies and items: {missing_vaults}; their region and tags are "
            "unknown."
        )
    if unlisted:
        yield (
            "No file lists VMs, so their tags, and whether they still exist, are unknown: add the output of "
            "'az vm list'."
        )
    if missing:
        gone = sum(how == "gone" for how in missing.values())
        reasons = [f"{gone} deleted, moved, or not visible to the account that listed the VMs"] if gone else []
        if others := len(missing) - gone:
            reasons.append(
                f"{others} in subscriptions of which no VM is listed (add the output of 'az vm list' for these)"
            )
        one = "protected VM is" if len(missing) == 1 else "protected VMs are"
        yield f"{len(missing)} {one} not in the list of VMs: {'; '.join(reasons)}."
    if silent := _silent_items(reading.found):
        more = f" and {len(silent) - _SHOWN:,} more" if len(silent) > _SHOWN else ""
        yield (
            f"Protected items that do not say which VM they protect: {len(silent)}; they are not planned, because "
            f"sourceResourceId and virtualMachineId are empty: {'; '.join(silent[:_SHOWN])}{more}."
        )
    if unprotected:
        yield f"VMs without a protected item in these files: {unprotected}; they are not in the estate."
    if not reading.found["vault_settings"]:
        yield "No file holds vault settings: Resource Guards and locks are unknown until somebody runs 'apply'."
