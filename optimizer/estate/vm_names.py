"""Finds a VM of an estate by its ARM id or its name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from optimizer.errors import DataError
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.phrases import some_of

_NAMED = 5
"""Maximum number of VMs that a message lists."""


def names_of(vm_ids: Iterable[str]) -> dict[ArmId, str]:
    """Names of VMs, by id."""
    return {ArmId(vm_id): ArmId(vm_id).name for vm_id in vm_ids}


def find_vm(wanted: str, names: Mapping[ArmId, str]) -> ArmId | None:
    """Id of the VM with the given id or name; None if there is no such VM.

    Parameters
    ----------
    wanted
        ARM id or name; case does not matter.
    names
        Names of the VMs, by id.

    Raises
    ------
    DataError
        Several VMs have the name; the message lists their ids.
    """
    vm_ids = {vm_id: vm_id for vm_id in names}
    if (known := vm_ids.get(ArmId(wanted))) is not None:
        return known
    named = [vm_id for vm_id, name in names.items() if Caseless(name) == wanted]
    if len(named) > 1:
        raise DataError(
            f"{wanted!r} is the name of {len(named)} VMs; give the ARM id of one: {some_of(named, _NAMED)}"
        )
    return named[0] if named else None


def no_such_vm(wanted: str, names: Iterable[str]) -> DataError:
    """Error for a name that no VM has, with the names that resemble it, or else some of those that exist."""
    known = sorted(set(names))
    if not known:
        return DataError(f"no VM has the name or ARM id {wanted!r}: the estate contains no VM")
    if near := difflib.get_close_matches(wanted, known, n=3):
        return DataError(f"no VM has the name or ARM id {wanted!r}; did you mean {' or '.join(map(repr, near))}?")
    return DataError(f"no VM has the name or ARM id {wanted!r}; the estate contains {some_of(known, _NAMED)}")
