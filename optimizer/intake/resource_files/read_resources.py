"""Reads the inventory from JSON files of the Azure CLI, REST, Resource Graph or a template export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from optimizer.errors import DataError, UsageError
from optimizer.intake.arm_ids import is_group_id
from optimizer.intake.json_files import read_json
from optimizer.intake.listing import Listing
from optimizer.intake.resource_files.protected_vms import ProtectedVms
from optimizer.intake.resource_files.reading import SHOWN, Reading
from optimizer.intake.resource_files.resource_shapes import Kind
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import id_of
from optimizer.ports import Resource


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
    reading = _read(files, _checked_group(group_id))
    found = reading.found
    stubs = list(_missing_vaults(found))
    vms = ProtectedVms(found["vms"], tuple(found["protected_items"].values()), known or {})
    return Listing(
        source="resources",
        vaults=(*found["vaults"].values(), *stubs),
        policies=tuple(found["policies"].values()),
        protected_items=tuple(found["protected_items"].values()),
        vms=tuple(vms.resources()),
        vault_settings=tuple(found["vault_settings"].values()),
        vm_ids=vms.spellings(),
        missing_vms=vms.missing(),
        namesakes=vms.unprotected(),
        left_out=tuple(_left_out(reading)),
        notes=_Notes(reading, vms, len(stubs)).texts(),
    )


def _checked_group(group_id: str) -> str:
    group_id = group_id.rstrip("/")
    if group_id and not is_group_id(group_id):
        raise UsageError(
            f"--resource-group is {group_id!r}; allowed: an ARM id such as "
            "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/backup"
        )
    return group_id


def _read(files: Sequence[Path], group_id: str) -> Reading:
    """Resources of all files.

    Raises
    ------
    DataError
        As for :func:`read_resources`.
    """
    reading = Reading(group_id)
    for file in files:
        reading.walk(read_json(file), str(file))
    reading.take_templates()
    if reading.conflicts:
        raise DataError(_contradictory(files, reading.conflicts))
    if not reading.found["protected_items"]:
        raise DataError(_nothing(files, reading))
    return reading


def _contradictory(files: Sequence[Path], conflicts: Sequence[str]) -> str:
    more = f"\n  ... and {len(conflicts) - SHOWN:,} more" if len(conflicts) > SHOWN else ""
    listed = "".join(f"\n  {conflict}" for conflict in conflicts[:SHOWN])
    number = "1 resource is" if len(conflicts) == 1 else f"{len(conflicts):,} resources are"
    return (
        f"{', '.join(map(str, files))}: {number} given more than once, with different content; keep the newer of the "
        f"files{listed}{more}"
    )


def _missing_vaults(found: Mapping[Kind, Mapping[ArmId, Resource]]) -> Iterator[Resource]:
    """Vaults that occur only in the ids of policies and items."""
    known = set(found["vaults"])
    for resource in chain(found["policies"].values(), found["protected_items"].values()):
        vault_id = id_of(resource).vault
        if vault_id not in known:
            known.add(vault_id)
            yield {"id": str(vault_id), "name": vault_id.name, "type": "Microsoft.RecoveryServices/vaults"}


def _nothing(files: Sequence[Path], reading: Reading) -> str:
    counts = ", ".join(_counted(len(held), kind) for kind, held in reading.found.items() if held) or "nothing"
    reasons = "".join(f"\n  {line}" for line in _left_out(reading))
    return (
        f"no protected item in {', '.join(map(str, files))} (found: {counts}); add the output of 'az backup item "
        f"list', and of 'az backup policy list' for each vault{reasons}"
    )


_NOUNS: dict[Kind, tuple[str, str]] = {
    "vaults": ("vault", "vaults"),
    "policies": ("policy", "policies"),
    "protected_items": ("protected item", "protected items"),
    "vms": ("VM", "VMs"),
    "vault_settings": ("vault setting", "vault settings"),
}


def _counted(count: int, kind: Kind) -> str:
    singular, plural = _NOUNS[kind]
    return f"1 {singular}" if count == 1 else f"{count:,} {plural}"


def _left_out(reading: Reading) -> Iterator[str]:
    for reason, places in reading.left_out.items():
        yield f"Left out, because {reason}: {_some(places)}."
    for arm_type, count in sorted(reading.not_used.items()):
        yield f"Not used: {count} of type {arm_type}."


def _some(places: Sequence[str]) -> str:
    """First places of a list, and the number of remaining ones."""
    more = f" and {len(places) - SHOWN:,} more" if len(places) > SHOWN else ""
    return "; ".join(places[:SHOWN]) + more


@dataclass(frozen=True)
class _Notes:
    """Remarks for the user on what the files contain and lack.

    Each method returns an empty text if there is nothing to say.
    """

    reading: Reading
    vms: ProtectedVms
    missing_vaults: int

    def texts(self) -> tuple[str, ...]:
        """All remarks."""
        remarks = (
            self._cut(),
            self._no_policies(),
            self._repeated(),
            self._unknown_vaults(),
            self._no_vms(),
            self._missing_vms(),
            self._silent_items(),
            self._unprotected(),
            self._no_settings(),
        )
        return tuple(filter(None, remarks))

    def _cut(self) -> str:
        if not self.reading.cut:
            return ""
        return (
            f"Only a part of the answer is in {'; '.join(self.reading.cut)}: save every page (az graph query returns "
            "100 rows unless --first 1000 is given)."
        )

    def _no_policies(self) -> str:
        if self.reading.found["policies"]:
            return ""
        return "No file holds backup policies, so no VM can be planned: add the output of 'az backup policy list'."

    def _repeated(self) -> str:
        if not self.reading.repeated:
            return ""
        return f"Resources that were given more than once, without contradiction: {self.reading.repeated}."

    def _unknown_vaults(self) -> str:
        if not self.missing_vaults:
            return ""
        return (
            f"Vaults known only from the ids of their policies and items: {self.missing_vaults}; their region and "
            "tags are unknown."
        )

    def _no_vms(self) -> str:
        if self.vms.listed:
            return ""
        return (
            "No file lists VMs, so their tags, and whether they still exist, are unknown: add the output of "
            "'az vm list'."
        )

    def _missing_vms(self) -> str:
        absences = list(self.vms.missing().values())
        if not absences:
            return ""
        gone = absences.count("gone")
        reasons = [f"{gone} deleted, moved, or not visible to the account that listed the VMs"] if gone else []
        if others := len(absences) - gone:
            reasons.append(
                f"{others} in subscriptions of which no VM is listed (add the output of 'az vm list' for these)"
            )
        subject = "1 protected VM is" if len(absences) == 1 else f"{len(absences)} protected VMs are"
        return f"{subject} not in the list of VMs: {'; '.join(reasons)}."

    def _silent_items(self) -> str:
        silent = self.vms.silent_items
        if not silent:
            return ""
        return (
            f"Protected items that do not say which VM they protect: {len(silent)}; they are not planned, because "
            f"sourceResourceId and virtualMachineId are empty: {_some(silent)}."
        )

    def _unprotected(self) -> str:
        number = self.vms.count_unprotected()
        return f"VMs without a protected item in these files: {number}; they are not in the estate." if number else ""

    def _no_settings(self) -> str:
        if self.reading.found["vault_settings"]:
            return ""
        return "No file holds vault settings: Resource Guards and locks are unknown until somebody runs 'apply'."
