"""State and behavior of the emulated service, without HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from optimizer.emulator.backups import Scheduler
from optimizer.emulator.contents import Contents, View, Views, policy_key, with_properties
from optimizer.emulator.ids import container_of, key, vault_key
from optimizer.emulator.item_writes import ItemWrites
from optimizer.emulator.jobs import EmulatedJob, JobBook, guid, jobs_of
from optimizer.emulator.operations import Operation, Operations
from optimizer.emulator.policy_writes import PolicyWrites
from optimizer.emulator.protections import check_locks
from optimizer.emulator.refusal import Refusal, locked
from optimizer.emulator.settings import EmulatorSettings
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import properties_of

if TYPE_CHECKING:
    import polars as pl

    from optimizer.estate import EstateDocument
    from optimizer.ports import Clock, Resource


@dataclass(frozen=True, slots=True)
class AcceptedWrite:
    """A write that took effect.

    Parameters
    ----------
    at
        Time at which the write took effect.
    method
        HTTP method: ``PUT`` or ``DELETE``.
    object_id
        Id of the object, as requested.
    body
        Body as it was sent; None for a deletion.
    """

    at: datetime
    method: Literal["PUT", "DELETE"]
    object_id: str
    body: Mapping[str, Any] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Written:
    """First answer to a write.

    Parameters
    ----------
    status
        HTTP status: 200 or 204 if the write is done, 202 if it has only started.
    resource
        The written resource, if the answer shows it.
    operation
        The operation that a 202 started.
    """

    status: int
    resource: Resource | None = None
    operation: Operation | None = None


class CloudState:
    """State of the service, and the effects of time and of writes on it.

    Parameters
    ----------
    document
        The estate at the start.
    clock
        Clock of the service.
    jobs
        Jobs of the estate; None means no jobs.
    settings
        Behavior of the service.

    Attributes
    ----------
    contents
        Vaults, policies, items and VMs. Tests may replace resources.
    writes
        Writes that took effect, in order.
    on_write
        Callbacks for each write that took effect.
    errors
        Exceptions of the callbacks.
    """

    def __init__(
        self,
        document: EstateDocument,
        clock: Clock,
        jobs: pl.DataFrame | None = None,
        settings: EmulatorSettings = EmulatorSettings(),  # noqa: B008  # frozen
    ) -> None:
        self.lock = threading.RLock()
        self.clock, self.settings = clock, settings
        self.contents = Contents(document)
        self.writes: list[AcceptedWrite] = []
        self.on_write: list[Callable[[], None]] = []
        self.errors: list[Exception] = []
        self.operations = Operations(settings.seed)
        self._policy_writes = PolicyWrites(self.contents, self.operations, settings)
        self._item_writes = ItemWrites(self.contents, self.operations, settings)
        self.book = JobBook(settings.job_names)
        if jobs is not None:
            self.book.add_all(jobs_of(jobs, self.contents.containers()))
        now = clock.now()
        self._scheduler = Scheduler(self.contents, self.book, settings, settings.backups_since or now)
        self._views = Views(self.contents, settings.graph_lag_seconds, now)

    @property
    def jobs(self) -> list[Resource]:
        """Raw jobs that have started by now, sorted by start in each vault."""
        with self.lock:
            now = self.advance()
            return [job.resource(now, self.book.names) for job in self.book.started(now)]

    @property
    def flags(self) -> list[str]:
        """Changes that Azure allows but that should not be made."""
        return self._policy_writes.flags

    def advance(self, until: datetime | None = None) -> datetime:
        """Carry out everything that is due by a time (None means now), and return that time."""
        with self.lock:
            now = until if until is not None else self.clock.now()
            for operation in list(self.operations.due(now)):
                self._scheduler.advance(operation.due)
                self.operations.end(operation, operation.due)
            self._scheduler.advance(now)
            return now

    def snapshot(self) -> EstateDocument:
        """The estate as it is now, without the effects of operations in progress."""
        with self.lock:
            return self.contents.document()

    def view(self) -> View:
        """Resources as Resource Graph knows them, with a delay."""
        with self.lock:
            return self._views.at(self.advance())

    def policy(self, policy_id: str) -> Resource | None:
        """Read a policy; each read brings an operation on it closer to its end."""
        with self.lock:
            self._look(self.operations.on(policy_id))
            return self.contents.policies.get(key(policy_id))

    def item(self, item_id: str, *, extended: bool = False) -> Resource | None:
        """Read an item; each read brings an operation on it closer to its end.

        Parameters
        ----------
        extended
            Whether to include ``extendedInfo``.
        """
        with self.lock:
            name = key(item_id)
            self._look(self.operations.on(item_id))
            item = self.contents.items.get(name)
            return None if item is None else self._shown(name, item, extended=extended)

    def items_of(self, vault_id: str) -> list[Resource]:
        """Items of a vault, as a list shows them."""
        with self.lock:
            return [self._shown(name, item, extended=False) for name, item in self.contents.items_in(vault_id)]

    def _shown(self, name: str, item: Resource, *, extended: bool) -> Resource:
        properties = dict(properties_of(item))
        known = properties.pop("extendedInfo", None) or {}
        if extended:
            properties["extendedInfo"] = {
                **known,
                "recoveryPointCount": int(known.get("recoveryPointCount") or 0) + self._scheduler.points.get(name, 0),
                "policyInconsistent": self._item_writes.is_inconsistent(name),
            }
        return with_properties(item, properties)

    def operation(self, operation_id: str) -> Operation | None:
        """Read an operation, which brings it closer to its end."""
        with self.lock:
            operation = self.operations.get(operation_id)
            self._look(operation)
            return operation

    def _look(self, operation: Operation | None) -> None:
        now = self.advance()
        if operation is None or operation.status != "InProgress":
            return
        if operation.reads_left > 0:
            operation.reads_left -= 1
        else:
            self.operations.end(operation, now)

    def put_policy(self, policy_id: str, body: Mapping[str, Any]) -> Written:
        """Create or replace a policy; if it protects any item, this starts an operation.

        Raises
        ------
        Refusal
            The write is refused.
        """
        with self.lock:
            now = self._before_write(policy_id, "PUT")
            properties = _properties(body)
            self._policy_writes.check(policy_id, properties, now)
            etag = guid("etag", self.settings.seed, policy_id, len(self.writes), now.isoformat())

            def effect(at: datetime) -> Sequence[str]:
                busy = self.contents.item_count(policy_id)
                self._policy_writes.store(policy_id, properties, etag)
                jobs = [self._configured(policy_id, "", now, at)] if busy else []
                self._took_effect(AcceptedWrite(at, "PUT", policy_id, body))
                return jobs

            if self.contents.item_count(policy_id) or self.operations.toward(policy_id):
                return Written(202, operation=self._begin(policy_id, now, effect, several=True))
            effect(now)
            return Written(200, self.contents.policies[key(policy_id)])

    def put_item(self, item_id: str, body: Mapping[str, Any]) -> Written:
        """Assign an item to a policy; an empty ``policyId`` stops its protection.

        Raises
        ------
        Refusal
            The write is refused.
        """
        with self.lock:
            now = self._before_write(item_id, "PUT")
            properties = _properties(body)
            self._item_writes.check(item_id, properties, now)

            def effect(at: datetime) -> Sequence[str]:
                self._item_writes.store(item_id, properties)
                jobs = [self._configured(item_id, item_id, now, at)]
                self._took_effect(AcceptedWrite(at, "PUT", item_id, body))
                return jobs

            target = key(properties["policyId"])
            moves = target != policy_key(self.contents.items[key(item_id)])
            return Written(202, operation=self._begin(item_id, now, effect, target=target if moves else ""))

    def delete_policy(self, policy_id: str) -> Written:
        """Delete a policy that protects no item.

        Raises
        ------
        Refusal
            The deletion is refused.
        """
        with self.lock:
            now = self._before_write(policy_id, "DELETE")
            if key(policy_id) not in self.contents.policies:
                return Written(204)
            self._policy_writes.delete(policy_id)
            self._took_effect(AcceptedWrite(now, "DELETE", policy_id, None))
            return Written(200)

    def _before_write(self, object_id: str, method: Literal["PUT", "DELETE"]) -> datetime:
        now = self.advance()
        if self.operations.on(object_id) is not None:
            raise locked()
        check_locks(self.contents.attached, object_id, method)
        return now

    def _begin(
        self,
        object_id: str,
        now: datetime,
        effect: Callable[[datetime], Sequence[str]],
        *,
        several: bool = False,
        target: str = "",
    ) -> Operation:
        operation = Operation(
            id=self.operations.new_id(),
            object_id=object_id,
            began=now,
            due=now + timedelta(seconds=self.settings.operation_seconds),
            effect=effect,
            reads_left=self.settings.operation_reads,
            fails=key(object_id) in self.settings.failing_operations,
            several=several,
            target=target,
        )
        self.operations.begin(operation)
        return operation

    def _configured(self, object_id: str, item_id: str, began: datetime, at: datetime) -> str:
        """Record the job that a change of protection creates, and return its id."""
        item = self.contents.items[key(item_id)] if item_id else {}
        properties, vault = properties_of(item), vault_key(object_id)
        job = EmulatedJob(
            id=guid("configure", self.settings.seed, object_id, len(self.writes), at.isoformat()),
            vault_id=str(self.contents.vaults.get(vault, {}).get("id") or object_id[: len(vault)]),
            container=container_of(item) if item_id else "",
            vm=str(properties.get("friendlyName") or ArmId(object_id).name),
            start=began,
            end=at,
            operation="ConfigureBackup",
            status="Completed",
            on_demand=True,
        )
        self.book.add(job)
        return job.id

    def _took_effect(self, write: AcceptedWrite) -> None:
        self.writes.append(write)
        self._views.remember(write.at)
        for call in self.on_write:
            try:
                call()
            except Exception as exc:  # noqa: BLE001  # raised when the emulator ends; the service continues until then
                self.errors.append(exc)


def _properties(body: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = body.get("properties")
    if not isinstance(properties, Mapping):
        raise Refusal(400, "BadRequest", "The request has no properties.")
    return properties
