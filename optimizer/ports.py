"""What the core needs of the outside, as protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:  # numpy comes with it, and the command line needs the protocols for every --help
    from optimizer.model.load import DayLoad


Resource = dict[str, Any]
"""One ARM resource as it came: ``id``, ``name``, ``type``, ``properties`` ..."""


class Clock(Protocol):
    """What time it is, and how one waits; a rehearsal runs on a clock of its own."""

    def now(self) -> datetime:
        """The present time, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class BackupReader(Protocol):
    """What is read of the backup service: ARM resources as plain JSON, unknown fields included.

    Every method raises a :class:`optimizer.errors.CloudError` where the service cannot be asked; what is transient has
    been retried before.
    """

    def clock_ahead(self, now: datetime) -> timedelta | None:
        """By how much ``now`` is ahead of the service's clock, negative if behind.

        It goes by the last answer; None if that did not tell the time, or if nothing was asked yet.
        """
        ...

    def get_policy(self, policy_id: str) -> Resource | None:
        """A backup policy; None where there is none."""
        ...

    def get_item(self, item_id: str) -> Resource | None:
        """A protected item with its extended info; None where there is none."""
        ...

    def list_policies(self, vault_id: str) -> list[Resource]:
        """Every policy of a vault, those of other workloads included."""
        ...

    def list_items(self, vault_id: str) -> list[Resource]:
        """Every protected VM of a vault."""
        ...

    def list_jobs(self, vault_id: str, since: datetime, until: datetime) -> list[Resource]:
        """Backup jobs of VMs of a vault that started in ``[since, until)``."""
        ...

    def running_jobs(self, vault_id: str) -> list[Resource]:
        """Jobs of VMs of a vault, of any operation, that are in progress now."""
        ...

    def vault_settings(self, vault_id: str) -> list[Resource]:
        """The vault itself and what is attached to it (guard proxies, backup configuration, locks), by ``type``."""
        ...


class BackupWriter(Protocol):
    """What is written to the backup service.

    Each method sends one request, waits until the service says that its operation ended, and raises
    ``ThrottledError``, ``ConflictError``, ``ForbiddenError`` or ``RejectedError`` where nothing was carried out (what
    asks to be tried later has been tried again, within bounds), ``UncertainError`` where it is not known.  A request
    that may have been carried out is never sent again: that is for the caller, after a look.
    """

    def put_policy(self, policy_id: str, properties: Mapping[str, Any]) -> None:
        """Create or replace a policy.

        Raises
        ------
        ValueError
            The properties are none of a VM policy.
        """
        ...

    def put_item(self, item_id: str, properties: Mapping[str, Any]) -> None:
        """Assign a protected item to a policy.

        Raises
        ------
        ValueError
            ``policyId`` is empty, which would stop the protection, or a field is not one of those that may be sent.
        """
        ...

    def delete_policy(self, policy_id: str) -> None:
        """Delete a policy that protects nothing."""
        ...


class BackupService(BackupReader, BackupWriter, Protocol):
    """Reading and writing: what only ``apply`` and ``rollback`` are given."""


class LoadSource(Protocol):
    """History of load, one UTC day at a time."""

    def dates(self) -> Sequence[date]:
        """Days that have any load, ascending."""
        ...

    def read_day(self, day: date) -> DayLoad:
        """Load of every VM that has any on this day; VMs sorted by id."""
        ...


@runtime_checkable
class PartialLoadSource(LoadSource, Protocol):
    """A history that is read in part more cheaply than whole."""

    def read_vms(self, day: date, vm_ids: Sequence[str]) -> DayLoad:
        """Load on this day of those of the VMs that have any, and perhaps of others; VMs sorted by id.

        Ids are compared without regard to case.
        """
        ...


class Progress(Protocol):
    """Where a long computation says how far it is; the command line draws it."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Report ``done`` of ``total`` steps of a stage."""
        ...


def no_progress(stage: str, done: int, total: int, note: str = "") -> None:
    """A :class:`Progress` that says nothing."""
