"""Protocols for the sources of a pull, with their values: scope, directory and load."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol

from optimizer.errors import UsageError
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.ports import BackupReader, Resource

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_GROUP = re.compile(r"[\w.()-]{1,90}", re.ASCII)
_VAULT = re.compile(
    r"/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourceGroups/[\w.()-]{1,90}"
    r"/providers/Microsoft\.RecoveryServices/vaults/[a-z0-9-]{2,50}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class PullScope:
    """Part of Azure to pull: the vaults of everything that is named.

    Parameters
    ----------
    subscriptions
        Ids of subscriptions.
    management_groups
        Names of management groups.
    vaults
        ARM ids of vaults.

    Raises
    ------
    UsageError
        Nothing is named, or a name has the wrong form.
    """

    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()
    vaults: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.subscriptions or self.management_groups or self.vaults):
            raise UsageError(
                "nothing to pull: give at least one of --subscription ID, --management-group NAME, --vault ARM_ID"
            )
        check_names("--subscription", self.subscriptions, _GUID, "the id of a subscription (a GUID)")
        check_names("--management-group", self.management_groups, _GROUP, "the name of a management group")
        check_names("--vault", self.vaults, _VAULT, "the ARM id of a Recovery Services vault")

    def as_lists(self) -> dict[str, list[str]]:
        """The scope in a form that is independent of its notation: lower case, sorted, without duplicates."""
        return {
            option: sorted({Caseless(name).key for name in getattr(self, option)})
            for option in ("subscriptions", "management_groups", "vaults")
        }


def check_names(option: str, names: Sequence[str], allowed: re.Pattern[str], what: str) -> None:
    """Refuse a name with the wrong form before it becomes part of an address or query.

    Raises
    ------
    UsageError
        A name does not match.
    """
    for name in names:
        if not allowed.fullmatch(name):
            raise UsageError(f"{option} {name!r} is not {what}; copy it from the portal or from 'az ... list'")


def check_workspaces(workspaces: Sequence[str]) -> None:
    """Refuse text that is not the id of a workspace.

    Raises
    ------
    UsageError
        An id is not a GUID.
    """
    check_names("--workspace", workspaces, _GUID, "the id of a Log Analytics workspace (a GUID, not a name)")


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """A VM whose load is requested.

    Parameters
    ----------
    vm_id
        Id of the VM in the estate's spelling.
    subscription, region, size
        Location and size of the VM; empty if unknown.
    start
        First instant to request, on the 5-minute grid.
    """

    vm_id: ArmId
    subscription: str
    region: str
    size: str
    start: datetime


@dataclass(frozen=True, slots=True)
class MissingLoad:
    """Reason for missing load of a VM.

    Parameters
    ----------
    reason
        The request and the answer of the service.
    final
        Whether a request for another day would get the same answer.
    """

    reason: str
    final: bool


@dataclass(frozen=True)
class LoadChunk:
    """Load of some VMs on one UTC day; NaN where unknown.

    Parameters
    ----------
    vm_ids
        Ids of the VMs, length N.
    values
        Values by metric of the estate (``cpu_percent``, ``mem_percent`` and, if requested, ``cpu_max``, ``mem_max``),
        shape (N, 288).
    failed
        VMs without values because the request failed.
    points
        Number of received values.
    """

    vm_ids: tuple[ArmId, ...]
    values: Mapping[str, npt.NDArray[np.float32]]
    failed: Mapping[ArmId, MissingLoad] = field(default_factory=dict)
    points: int = 0


class Directory(Protocol):
    """Directory of the vaults and VMs in Azure."""

    def find_vaults(self, subscriptions: Sequence[str], management_groups: Sequence[str]) -> list[Resource]:
        """Recovery Services vaults, each with at least ``id`` and ``location``."""
        ...

    def find_vms(self, subscriptions: Sequence[str]) -> list[Resource]:
        """VMs with tags, sets, size, location and, in ``properties.extended``, the power state."""
        ...


class LoadReader(Protocol):
    """Reader of the load of VMs, one UTC day at a time."""

    def read_day(self, targets: Sequence[LoadTarget], day: date, end: datetime) -> Iterator[LoadChunk]:
        """Load of each target from its start or 00:00 to the end of the day or ``end``, in any order of VMs.

        Raises
        ------
        AuthError
            The sign-in was refused, so every other request would fail too.
        """
        ...


class JobLog(Protocol):
    """Backup jobs as a workspace recorded them."""

    def read_jobs(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Rows of ``AddonAzureBackupJobs``, as :func:`optimizer.intake.pull.raw_jobs.logged_jobs` reads them."""
        ...


FindVm = Callable[[str], Resource | None]
"""Function that reads one VM by its id; None if the VM does not exist.

It raises ``ForbiddenError`` if the account may not read the VM, and ``DataError`` if the id is not the id of a VM.
"""


@dataclass(frozen=True)
class PullSource:
    """Connections that a pull uses.

    Parameters
    ----------
    workspaces
        Load and jobs from Log Analytics that metrics and vaults lack; None without a workspace.
    requests
        Function that returns the number of requests so far by kind, including retries.
    find_vm
        Function that looks for a single VM that the directory does not list; None if that is not possible.
    troubles
        Function that returns side requests that failed, e.g. for the memory of VM sizes, with reasons.
    """

    directory: Directory
    backup: BackupReader
    metrics: LoadReader
    requests: Callable[[], Mapping[str, int]]
    workspace_load: LoadReader | None = None
    workspace_jobs: JobLog | None = None
    troubles: Callable[[], Mapping[str, str]] = dict
    find_vm: FindVm | None = None
