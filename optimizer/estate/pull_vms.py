"""VMs that items protect and that the directory does not list: which are gone, and which may not be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from optimizer.errors import AuthError, CloudError, DataError, ForbiddenError
from optimizer.estate.document import Absence
from optimizer.estate.pull_source import FindVm
from optimizer.ports import Resource

MOST_LOOKS = 500
"""VMs that are asked for one by one: in a healthy estate there are hardly any."""


@dataclass
class Looked:
    """What came of looking for VMs.

    Parameters
    ----------
    found
        VMs that are there after all, by id in lower case: the directory may be some minutes old.
    missing
        How the others are not to be found, by id as given.
    troubles
        VMs that could not be asked for, and why.
    """

    found: dict[str, Resource] = field(default_factory=dict)
    missing: dict[str, Absence] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)


def look_for(vm_ids: Iterable[str], find_vm: FindVm) -> Looked:
    """Look for VMs one by one.

    Azure checks rights before anything else: 404 says that a VM is gone, 403 that nobody told.  Rights are given for
    resource groups at the least, so a group that is closed is asked once.  A VM that could not be asked for is left
    alone like one that may not be read.

    Parameters
    ----------
    vm_ids
        As the estate spells them.
    find_vm
        Reads one VM.

    Raises
    ------
    AuthError
        The sign-in was refused.
    """
    looked, closed = Looked(), set[str]()
    for number, vm_id in enumerate(sorted(vm_ids)):
        group = vm_id.lower().partition("/providers/")[0]
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


def _look(vm_id: str, find_vm: FindVm, looked: Looked) -> None:
    try:
        resource = find_vm(vm_id)
    except AuthError:
        raise
    except ForbiddenError:
        looked.missing[vm_id] = "hidden"
    except DataError:
        looked.missing[vm_id] = "gone"  # no such VM can be
    except CloudError as exc:
        looked.missing[vm_id] = "hidden"
        looked.troubles[vm_id] = str(exc)
    else:
        if resource is None:
            looked.missing[vm_id] = "gone"
        else:
            looked.found[vm_id.lower()] = resource
