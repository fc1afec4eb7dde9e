"""What a pull needs of the outside: scope, directory, load; as values and protocols."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol

from optimizer.errors import UsageError
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
class Scope:
    """Which part of Azure is pulled: the vaults of all that is named.

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
        Nothing is named, or a name is malformed.
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
        """The same however it was written: lower case, sorted, each name once."""
        return {
            option: sorted({name.lower() for name in getattr(self, option)})
            for option in ("subscriptions", "management_groups", "vaults")
        }


def check_names(option: str, names: Sequence[str], allowed: re.Pattern[str], what: str) -> None:
    """Refuse a malformed name before it gets into an address or a query.

    Raises
    ------
    UsageError
        A name does not match.
    """
    for name in names:
        if not allowed.fullmatch(name):
            raise UsageError(f"{option} {name!r} is not {what}; copy it from the portal or from 'az ... list'")


def check_workspaces(workspaces: Sequence[str]) -> None:
    """Refuse what is not the id of a workspace.

    Raises
    ------
    UsageError
        An id is no GUID.
    """
    check_names("--workspace", workspaces, _GUID, "the id of a Log Analytics workspace (a GUID, not a name)")


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """A VM whose load is wanted.

    Parameters
    ----------
    vm_id
        As the estate spells it.
    subscription, region, size
        Where it is and of which size (empty where unknown).
    start
        First instant that is wanted, on the 5-minute grid.
    """

    vm_id: str
    subscription: str
    region: str
    size: str
    start: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the load of a VM could not be had.

    Parameters
    ----------
    reason
        What was asked and what the service said.
    final
        Whether asking for another day would get the same answer.
    """

    reason: str
    final: bool


@dataclass(frozen=True)
class LoadChunk:
    """Load of some VMs on one UTC day; what is not known is NaN.

    Parameters
    ----------
    vm_ids
        Length N.
    values
        By metric of the estate (``cpu_percent``, ``mem_percent`` and, where asked for, ``cpu_max``, ``mem_max``),
        shape (N, 288).
    failed
        VMs of which nothing came because the request failed.
    points
        Values that were received.
    """

    vm_ids: tuple[str, ...]
    values: Mapping[str, npt.NDArray[np.float32]]
    failed: Mapping[str, Refusal] = field(default_factory=dict)
    points: int = 0


class Directory(Protocol):
    """Which vaults and VMs there are."""

    def find_vaults(self, subscriptions: Sequence[str], management_groups: Sequence[str]) -> list[Resource]:
        """Recovery Services vaults, at least ``id`` and ``location`` of each."""
        ...

    def find_vms(self, subscriptions: Sequence[str]) -> list[Resource]:
        """VMs with tags, sets, size, location and, in ``properties.extended``, the power state."""
        ...


class LoadReader(Protocol):
    """Load of VMs, one UTC day at a time."""

    def read_day(self, targets: Sequence[LoadTarget], day: date, end: datetime) -> Iterator[LoadChunk]:
        """Load of each target from its start or 00:00 to the end of the day or ``end``, in any order of VMs.

        Raises
        ------
        AuthError
            The sign-in was refused: everything else would be too.
        """
        ...


class JobLog(Protocol):
    """Backup jobs as a workspace recorded them."""

    def read_jobs(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Rows of ``AddonAzureBackupJobs`` with the item's name; see :func:`optimizer.estate.raw_jobs.logged_jobs`."""
        ...


FindVm = Callable[[str], Resource | None]
"""Reads one VM by its id; None where there is none.

It raises ``ForbiddenError`` where the account may not read it, and ``DataError`` where the id is not that of a VM.
"""


@dataclass(frozen=True)
class PullSource:
    """Everything that is asked during a pull.

    Parameters
    ----------
    workspaces
        Load and jobs of Log Analytics, for what the metrics and the vaults do not give; None without a workspace.
    requests
        How many requests were sent so far, by kind, repeated ones included.
    find_vm
        Looks for single VMs that the directory does not list; None: nobody can look.
    troubles
        What was asked in passing and could not be had, and why, e.g. the memory of VM sizes.
    """

    directory: Directory
    backup: BackupReader
    metrics: LoadReader
    requests: Callable[[], Mapping[str, int]]
    workspace_load: LoadReader | None = None
    workspace_jobs: JobLog | None = None
    troubles: Callable[[], Mapping[str, str]] = dict
    find_vm: FindVm | None = None
