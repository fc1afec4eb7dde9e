"""What the core needs of the outside, as protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from optimizer.errors import CloudError

if TYPE_CHECKING:  # numpy comes with it, and the command line needs the protocols for every --help
    from optimizer.model.load import DayLoad


Resource = dict[str, Any]
"""One ARM resource as it came: ``id``, ``name``, ``type``, ``properties`` ..."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the service says when it accepts a write and carries it out later.

    Parameters
    ----------
    operation
        Path and query at which the operation can be looked at; empty where the service did not say.
    retry_after_seconds
        When to look first; None where the service did not say.
    """

    operation: str
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at an operation shows.

    Parameters
    ----------
    ended
        Whether the operation has ended.
    failure
        How it failed; None where it is in progress or succeeded.  An ``UncertainError`` means that it ended without
        saying whether the write was carried out.
    retry_after_seconds
        When to look again; None where the service did not say.
    """

    ended: bool
    failure: CloudError | None = None
    retry_after_seconds: float | None = None


class Clock(Protocol):
    """What time it is, and how one waits; a rehearsal runs on a clock of its own."""

    def now(self) -> datetime:
        """The present time, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def side_by_side(
        self, tasks: Sequence[Callable[[], None]], interrupted: Callable[[], bool] = lambda: True
    ) -> None:
        """Run tasks, each in a thread of its own, until all have ended.

        If a task raises, or on Ctrl-C, the tasks are stopped the next time they sleep, and the exception is raised
        here.

        Parameters
        ----------
        tasks
            The tasks.
        interrupted
            Called after Ctrl-C, right away and then several times a second until all tasks have ended: returns whether
            to go on waiting for them.  Tasks that are not waited for end with the process.
        """
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

    def look_at_operation(self, operation: str) -> Look:
        """Look once at an operation that the service accepted; the look is not repeated.

        Parameters
        ----------
        operation
            As :class:`Accepted` holds it.

        Raises
        ------
        ValueError
            It is not the path of an operation.
        NotFoundError
            The service knows no such operation.
        """
        ...


class BackupWriter(Protocol):
    """What is written to the backup service.

    Each method sends exactly one request and returns at once: None where the write is done, :class:`Accepted` where
    the service carries it out later.  Nothing is waited for and nothing is sent again, whatever the answer: only the
    caller can look at the object, the gates and the running jobs before the next try.

    Raised are ``ThrottledError`` (with the seconds to stay away, where the service says so), ``NotSentError``,
    ``ConflictError``, ``ForbiddenError``, ``AuthError`` and ``RejectedError`` where nothing was carried out, and
    ``UncertainError`` where it is not known whether the write was carried out.
    """

    def put_policy(self, policy_id: str, properties: Mapping[str, Any]) -> Accepted | None:
        """Create or replace a policy.

        Raises
        ------
        RejectedError
            The properties are not those of a VM policy; nothing is sent.
        """
        ...

    def put_item(self, item_id: str, properties: Mapping[str, Any]) -> Accepted | None:
        """Assign a protected item to a policy.

        Raises
        ------
        RejectedError
            ``policyId`` is empty, which would stop the protection, or a field is not one of those that may be sent;
            nothing is sent.
        """
        ...

    def delete_policy(self, policy_id: str) -> Accepted | None:
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


def silent(text: str) -> None:
    """Tell nobody."""
