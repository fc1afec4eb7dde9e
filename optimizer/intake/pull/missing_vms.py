"""Looks for protected VMs that the directory does not list: some are gone, others may not be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from optimizer.arm import Absence
from optimizer.errors import AuthError, CloudError, DataError, ForbiddenError
from optimizer.intake.pull.pull_source import FindVm
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.ports import Resource

MOST_LOOKS = 500
"""Maximum number of VMs that are requested one by one; a healthy estate has hardly any."""


@dataclass
class Looked:
    """Result of looking for VMs.

    Parameters
    ----------
    found
        VMs that exist after all; the directory may be a few minutes old.
    missing
        How each of the others is missing, by id as given.
    troubles
        VMs whose requests failed, with reasons.
    """

    found: dict[ArmId, Resource] = field(default_factory=dict)
    missing: dict[ArmId, Absence] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)


def look_for(vm_ids: Iterable[str], find_vm: FindVm) -> Looked:
    """Look for VMs one by one.

    Azure checks rights first: 404 means that a VM is gone, and 403 says nothing about whether it exists. Rights are
    granted for resource groups or larger scopes, so a group that answers 403 is requested only once. A VM whose
    request failed is treated like one that may not be read.

    Parameters
    ----------
    vm_ids
        VM ids in the estate's spelling.
    find_vm
        Function that reads one VM.

    Raises
    ------
    AuthError
        The sign-in was refused.
    """
    looked, closed = Looked(), set[Caseless]()
    for number, vm_id in enumerate(sorted(map(ArmId, vm_ids), key=str)):
        group = Caseless(vm_id.key.partition("/providers/")[0])
        if group in closed:
            looked.missing[vm_id] = "hidden"
        elif number >= MOST_LOOKS:
            looked.missing[vm_id] = "hidden"
            looked.troubles[f"{MOST_LOOKS} VMs that are not listed"] = "more are not listed, and were not asked for"
        else:
            _look(vm_id, find_vm, looked)
            if looked.missing.get(vm_id) == "hidden" and vm_id not in looked.troubles:
                closed.add(group)
    return looked


def _look(vm_id: ArmId, find_vm: FindVm, looked: Looked) -> None:
    try:
        resource = find_vm(vm_id)
    except AuthError:
        raise
    except ForbiddenError:
        looked.missing[vm_id] = "hidden"
    except DataError:
        looked.missing[vm_id] = "gone"  # no VM can have such an id
    except CloudError as exc:
        looked.missing[vm_id] = "hidden"
        looked.troubles[vm_id] = str(exc)
    else:
        if resource is None:
            looked.missing[vm_id] = "gone"
        else:
            looked.found[vm_id] = resource
