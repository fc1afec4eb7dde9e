"""Finds a VM of an estate by its ARM id or its name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from optimizer.errors import DataError
from optimizer.model.arm_id import ArmId

_NAMED = 5
"""Maximum number of VMs that a message lists."""


def find_vm(wanted: str, vm_ids: Iterable[str]) -> str | None:
    """Id of the VM with the given id or name; None if there is no such VM.

    Parameters
    ----------
    wanted
        ARM id or name; case does not matter.
    vm_ids
        ARM ids of the VMs, or names as imported.

    Raises
    ------
    DataError
        Several VMs have the name; the message lists their ids.
    """
    key, named = ArmId(wanted), dict[ArmId, str]()
    for vm_id in vm_ids:
        known = ArmId(vm_id)
        if known == key:
            return vm_id
        if key == known.name:
            named[known] = vm_id
    if len(named) > 1:
        raise DataError(
            f"{wanted!r} is the name of {len(named)} VMs; give the ARM id of one: {_some([*named.values()])}"
        )
    return next(iter(named.values()), None)


def no_such_vm(wanted: str, vm_ids: Iterable[str]) -> DataError:
    """Error for a name that no VM has, with the names that resemble it, or else some of those that exist."""
    names = sorted({ArmId(vm_id).name for vm_id in vm_ids})
    if not names:
        return DataError(f"no VM has the name or ARM id {wanted!r}: the estate contains no VM")
    if near := difflib.get_close_matches(wanted, names, n=3):
        return DataError(f"no VM has the name or ARM id {wanted!r}; did you mean {' or '.join(map(repr, near))}?")
    return DataError(f"no VM has the name or ARM id {wanted!r}; the estate contains {_some(names)}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
