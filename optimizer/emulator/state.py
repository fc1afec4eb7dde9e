"""State and behavior of the emulated service, without HTTP."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from optimizer.emulator.backups import Scheduler
from optimizer.emulator.ids import container_of, key, vault_key
from optimizer.emulator.item_writes import check_item_write, store_item
from optimizer.emulator.jobs import Job, JobBook, guid, jobs_of
from optimizer.emulator.operations import Operation, Operations, Window
from optimizer.emulator.policy_writes import (
    check_deletion,
    check_policy_write,
    item_count,
    largest_policy,
    store_policy,
)
from optimizer.emulator.protections import GUARD_TYPE, attached, check_locks
from optimizer.emulator.refusal import Refusal, locked
from optimizer.emulator.settings import Settings
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import id_of, properties_of

if TYPE_CHECKING:
    import polars as pl

    from optimizer.estate.document import EstateDocument
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


@dataclass(frozen=True, slots=True)
class View:
    """Resources at one time, by key."""

    vaults: Mapping[str, Resource]
    policies: Mapping[str, Resource]
    items: Mapping[str, Resource]
    vms: Mapping[str, Resource]


class CloudState:
    """Vaults, policies, items, VMs and jobs, and the effects of writes on them.

    Resources are never changed in place, so a resource that was read stays as it was at that time. Tests may replace
    resources.

    Parameters
    ----------
    document
        The estate at the start.
    clock
        Clock of the service.
    jobs
        Jobs of the estate; None means no jobs.
    settings, seed
        Behavior of the service, and random seed of delays, failures and ids.

    Attributes
    ----------
    policies, items, vms, vaults
        Raw resources by id in lower case.
    attached
        Raw resources that are attached to vaults.
    writes
        Writes that took effect, in order.
    on_write
        Callbacks for each write that took effect.
    first_policies, largest_policy
        Keys of the estate's policies, and the number of items in the largest one.
    flags
        Changes that Azure allows but that should not be made.
    errors
        Exceptions of the callbacks.
    """

    def __init__(
        self,
        document: EstateDocument,
        clock: Clock,
        jobs: pl.DataFrame | None = None,
        settings: Settings = Settings(),  # noqa: B008  # frozen
        seed: int = 0,
    ) -> None:
        self.lock = threading.RLock()
        self.clock, self.settings = clock, settings
        self._document, self._seed = document, seed
        self.vaults = _unlisted_vaults((*document.policies, *document.protected_items)) | _by_key(document.vaults)
        self.policies = _by_key(document.policies)
        self.items = _by_key(document.protected_items)
        self.vms = _by_key(document.vms)
        self.attached = list(document.vault_settings)
        self.first_policies = frozenset(self.policies)
        self.largest_policy = largest_policy(self)
        self.writes: list[AcceptedWrite] = []
        self.on_write: list[Callable[[], None]] = []
        self.flags: list[str] = []
        self.errors: list[Exception] = []
        self.operations = Operations(seed)
        self.policy_writes, self.item_writes = Window(), Window()
        self.reassigned: set[str] = set()
        self.book = JobBook(settings.job_names)
        if jobs is not None:
            self.book.add_all(jobs_of(jobs, self._containers()))
        since = settings.backups_since or clock.now()
        self._scheduler = Scheduler(self.policies, self.items, self.book, settings, seed, since)
        self._views: deque[tuple[datetime, View]] = deque([(clock.now(), self._view())])

    def _containers(self) -> dict[str, str]:
        pairs = ((key(properties_of(item).get("sourceResourceId") or ""), item) for item in self.items.values())
        return {vm_id: container for vm_id, item in pairs if vm_id and (container := container_of(item))}

    @property
    def jobs(self) -> list[Resource]:
        """Raw jobs that have started by now, sorted by start in each vault."""
        with self.lock:
            now = self.advance()
            return [job.resource(now, self.book.names) for job in self.book.started(now)]

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
            return self._document.model_copy(
                update={
                    "vaults": tuple(self.vaults.values()),
                    "policies": tuple(self.policies.values()),
                    "protected_items": tuple(self.items.values()),
                    "vms": tuple(self.vms.values()),
                    "vault_settings": tuple(self.attached),
                }
            )

    def guards(self, object_id: str) -> list[Resource]:
        """Resource Guard proxies of the vault that contains an object."""
        return attached(self.attached, vault_key(object_id), GUARD_TYPE)

    def policy(self, policy_id: str) -> Resource | None:
        """Read a policy; each read brings an operation on it closer to its end."""
        with self.lock:
            self._look(self.operations.on(policy_id))
            return self.policies.get(key(policy_id))

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
            item = self.items.get(name)
            return None if item is None else self._shown(name, item, extended=extended)

    def _shown(self, name: str, item: Resource, *, extended: bool) -> Resource:
        properties = dict(properties_of(item))
        known = properties.pop("extendedInfo", None) or {}
        if extended:
            properties["extendedInfo"] = {
                **known,
                "recoveryPointCount": int(known.get("recoveryPointCount") or 0) + self._scheduler.points.get(name, 0),
                "policyInconsistent": name in self.reassigned and name in self.settings.inconsistent_items,
            }
        return {**item, "properties": properties}

    def policies_of(self, vault_id: str) -> list[Resource]:
        """Policies of a vault; this does not count as a read of any of them."""
        with self.lock:
            return [policy for name, policy in self.policies.items() if vault_key(name) == key(vault_id)]

    def items_of(self, vault_id: str) -> list[Resource]:
        """Items of a vault, as a list shows them."""
        with self.lock:
            return [
                self._shown(name, item, extended=False)
                for name, item in self.items.items()
                if vault_key(name) == key(vault_id)
            ]

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
            check_policy_write(self, policy_id, properties, now)
            etag = guid("etag", self._seed, policy_id, len(self.writes), now.isoformat())

            def effect(at: datetime) -> Sequence[str]:
                busy = item_count(self, policy_id)
                store_policy(self, policy_id, properties, etag)
                jobs = [self._configured(policy_id, "", now, at)] if busy else []
                self._took_effect(AcceptedWrite(at, "PUT", policy_id, body))
                return jobs

            if item_count(self, policy_id) or self.operations.towards(policy_id):
                return Written(202, operation=self._begin(policy_id, now, effect, several=True))
            effect(now)
            return Written(200, self.policies[key(policy_id)])

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
            check_item_write(self, item_id, properties, now)

            def effect(at: datetime) -> Sequence[str]:
                store_item(self, item_id, properties)
                jobs = [self._configured(item_id, item_id, now, at)]
                self._took_effect(AcceptedWrite(at, "PUT", item_id, body))
                return jobs

            target = key(properties["policyId"])
            moves = target != key(properties_of(self.items[key(item_id)]).get("policyId") or "")
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
            if key(policy_id) not in self.policies:
                return Written(204)
            check_deletion(self, policy_id)
            del self.policies[key(policy_id)]
            self._took_effect(AcceptedWrite(now, "DELETE", policy_id, None))
            return Written(200)

    def _before_write(self, object_id: str, method: Literal["PUT", "DELETE"]) -> datetime:
        now = self.advance()
        if self.operations.on(object_id) is not None:
            raise locked()
        check_locks(self.attached, object_id, method)
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
        """Record the job that a change of protection creates."""
        item = self.items[key(item_id)] if item_id else {}
        properties, vault = properties_of(item), vault_key(object_id)
        job = Job(
            id=guid("configure", self._seed, object_id, len(self.writes), at.isoformat()),
            vault_id=str(self.vaults.get(vault, {}).get("id") or object_id[: len(vault)]),
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
        if self.settings.graph_lag_seconds:
            self._views.append((write.at, self._view()))
        for call in self.on_write:
            try:
                call()
            except Exception as exc:  # noqa: BLE001  # raised when the emulator ends; the service continues until then
                self.errors.append(exc)

    def _view(self) -> View:
        return View(dict(self.vaults), dict(self.policies), dict(self.items), dict(self.vms))

    def view(self) -> View:
        """Resources as Resource Graph knows them: as they were some time ago."""
        with self.lock:
            now = self.advance()
            if not self.settings.graph_lag_seconds:
                return self._view()
            known = now - timedelta(seconds=self.settings.graph_lag_seconds)
            while len(self._views) > 1 and self._views[1][0] <= known:
                self._views.popleft()
            return self._views[0][1]


def _unlisted_vaults(resources: Iterable[Resource]) -> dict[str, Resource]:
    """Vaults by key that occur only in the ids of the objects in them."""
    found = {}
    for resource in resources:
        arm_id = id_of(resource)
        if name := vault_key(arm_id):
            vault_id = arm_id[: len(name)]
            found[name] = {
                "id": vault_id,
                "name": ArmId(vault_id).name,
                "type": "Microsoft.RecoveryServices/vaults",
            }
    return found


def _by_key(resources: Sequence[Resource]) -> dict[str, Resource]:
    """Resources by key; resources without an id cannot be served and are dropped."""
    return {key(id_of(resource)): resource for resource in resources if id_of(resource)}


def _properties(body: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = body.get("properties")
    if not isinstance(properties, Mapping):
        raise Refusal(400, "BadRequest", "The request has no properties.")
    return properties
