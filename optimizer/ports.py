"""Protocols for everything that the core needs from outside: the clock, Azure Backup, load, and progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from optimizer.errors import CloudError
from optimizer.model.arm_id import ArmId
from optimizer.model.clock import Clock as Clock  # noqa: PLC0414  # a port like the others; it stands with its clocks

if TYPE_CHECKING:  # this module imports numpy, and every --help of the command line loads the protocols
    from optimizer.model.load import DayLoad


Resource = dict[str, Any]
"""One ARM resource as Azure returned it: ``id``, ``name``, ``type``, ``properties`` ..."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Answer of the service when it accepts a write that it carries out later.

    Parameters
    ----------
    operation
        Path and query of the operation's status; empty if the service did not state it.
    retry_after_seconds
        Seconds until the first look at the operation; None if the service did not say.
    """

    operation: str
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Result of one look at an operation.

    Parameters
    ----------
    ended
        Whether the operation has ended.
    failure
        How the operation failed; None if it is in progress or succeeded. An ``UncertainError`` means that it ended
        without saying whether the write was carried out.
    retry_after_seconds
        Seconds until the next look; None if the service did not say.
    """

    ended: bool
    failure: CloudError | None = None
    retry_after_seconds: float | None = None


class BackupReader(Protocol):
    """Read access to the backup service: ARM resources as plain JSON, including unknown fields.

    Every method raises a :class:`optimizer.errors.CloudError` if the service cannot answer. Transient failures have
    been retried by then.
    """

    def clock_ahead(self, now: datetime) -> timedelta | None:
        """How far ``now`` is ahead of the service's clock; negative if it is behind.

        The service's time comes from its last answer. None if that answer did not state it, or before the first
        request.
        """
        ...

    def get_policy(self, policy_id: ArmId) -> Resource | None:
        """A backup policy; None if it does not exist."""
        ...

    def get_item(self, item_id: ArmId) -> Resource | None:
        """A protected item with its extended info; None if it does not exist."""
        ...

    def list_policies(self, vault_id: ArmId) -> list[Resource]:
        """Every policy of a vault, including policies for other workloads."""
        ...

    def list_items(self, vault_id: ArmId) -> list[Resource]:
        """Every protected VM of a vault."""
        ...

    def list_jobs(self, vault_id: ArmId, since: datetime, until: datetime) -> list[Resource]:
        """Backup jobs for the VMs of a vault that started in ``[since, until)``."""
        ...

    def running_jobs(self, vault_id: ArmId) -> list[Resource]:
        """Jobs for the VMs of a vault that are in progress now, of any operation."""
        ...

    def vault_settings(self, vault_id: ArmId) -> list[Resource]:
        """The vault and the resources attached to it (guard proxies, backup configuration, locks), by ``type``."""
        ...

    def look_at_operation(self, operation: str) -> Look:
        """Look once, without retries, at an operation that the service accepted.

        Parameters
        ----------
        operation
            Path and query of the operation, as in :class:`Accepted`.

        Raises
        ------
        ValueError
            The text is not the path of an operation.
        NotFoundError
            The service does not know the operation.
        """
        ...


class BackupWriter(Protocol):
    """Write access to the backup service.

    Each method sends exactly one request and returns at once: None if the write is done, :class:`Accepted` if the
    service carries it out later. It neither waits nor sends the request again, whatever the answer is: only the caller
    can check the object, the write windows and the running jobs before another try.

    The methods raise ``ThrottledError`` (with the number of seconds to wait, if the service states it),
    ``NotSentError``, ``ConflictError``, ``ForbiddenError``, ``AuthError`` or ``RejectedError`` if nothing was carried
    out, and ``UncertainError`` if it is not known whether the write was carried out.
    """

    def put_policy(self, policy_id: ArmId, properties: Mapping[str, Any]) -> Accepted | None:
        """Create or replace a policy.

        Raises
        ------
        RejectedError
            The properties are not those of a VM policy. Nothing is sent.
        """
        ...

    def put_item(self, item_id: ArmId, properties: Mapping[str, Any]) -> Accepted | None:
        """Assign a protected item to a policy.

        Raises
        ------
        RejectedError
            ``policyId`` is empty, which would stop the protection, or a field must not be sent. Nothing is sent.
        """
        ...

    def delete_policy(self, policy_id: ArmId) -> Accepted | None:
        """Delete a policy that protects no item."""
        ...


class BackupService(BackupReader, BackupWriter, Protocol):
    """Read and write access to the backup service.

    Only ``apply`` and ``rollback`` receive one for Azure; a rehearsal receives one for its own emulator. In all of
    them, only :mod:`optimizer.rollout.carry_out.carrier` calls the methods that write.
    """


class BackupCloud(Protocol):
    """A cloud with a backup service: Azure, or an emulator of it."""

    @property
    def clock(self) -> Clock:
        """Clock that goes with the cloud."""
        ...

    @property
    def polling_seconds(self) -> float:
        """First pause, in seconds, between two looks at an operation for which the service states none."""
        ...

    @property
    def state_folder(self) -> Path | None:
        """Folder in which all runs on this machine count their writes; None: the usual folder of this user."""
        ...

    @property
    def emulator(self) -> str:
        """Id of the running emulator; empty for a real cloud.

        Its writes are counted apart, so that they never count toward the budget of the vaults that it imitates.
        """
        ...

    def reader(self) -> BackupReader:
        """A client that can only read."""
        ...

    def service(self) -> BackupService:
        """A client that can also write."""
        ...


class LoadSource(Protocol):
    """Load history of the VMs, one UTC day at a time."""

    def dates(self) -> Sequence[date]:
        """Days with load of at least one VM, ascending."""
        ...

    def read_day(self, day: date) -> DayLoad:
        """Load on this day of every VM that has any; VMs sorted by id."""
        ...


@runtime_checkable
class PartialLoadSource(LoadSource, Protocol):
    """A load history that can read some VMs faster than all of them."""

    def read_vms(self, day: date, vm_ids: Sequence[str]) -> DayLoad:
        """Load on this day of those of the given VMs that have any; VMs sorted by id.

        Ids are compared without regard to case. The answer may contain other VMs as well.
        """
        ...


class Progress(Protocol):
    """Receiver of the progress of a long computation; the command line draws it."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Report that ``done`` of ``total`` steps of a stage are finished."""
        ...


def no_progress(stage: str, done: int, total: int, note: str = "") -> None:
    """Ignore progress: a :class:`Progress` that does nothing."""


def ignore(_: object) -> None:
    """Ignore what is reported."""


def silent(text: str) -> None:
    """Ignore a message."""
