"""Operations that continue after a write was accepted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from optimizer.emulator.ids import key
from optimizer.emulator.moments import NEVER, stamp

Status = Literal["InProgress", "Succeeded", "Failed"]


@dataclass
class Operation:
    """An operation of the service.

    Parameters
    ----------
    id
        GUID of the operation.
    object_id
        Id of the object that the operation changes.
    began, due
        Time at which the operation was accepted, and the latest time at which it ends.
    effect
        Function that carries out the operation.
    reads_left
        Number of reads of the operation or its object before it ends.
    fails
        Whether the operation fails.
    several
        Whether the operation lists several jobs, as operations on policies do.
    target
        Key of the policy to which an item moves; empty otherwise.
    """

    id: str
    object_id: str
    began: datetime
    due: datetime
    effect: Callable[[datetime], Sequence[str]] = field(repr=False)
    reads_left: int
    fails: bool = False
    several: bool = False
    target: str = ""
    status: Status = "InProgress"
    ended: datetime | None = None
    jobs: Sequence[str] = ()

    def body(self) -> dict[str, Any]:
        """Status in the service's format; an operation on a policy lists several jobs, one on an item a single job."""
        end = stamp(self.ended) if self.ended else NEVER
        body: dict[str, Any] = {"id": self.id, "name": self.id, "status": self.status}
        body |= {"startTime": stamp(self.began), "endTime": end}
        if self.status == "Failed":
            message = "The operation failed, because the emulator is set up to let it fail."
            body["error"] = {"code": "BMSUserErrorOperationFailed", "message": message}
        elif self.status == "Succeeded" and self.several:
            kind = "OperationStatusJobsExtendedInfo"
            body["properties"] = {"objectType": kind, "jobIds": list(self.jobs), "failedJobsError": {}}
        elif self.status == "Succeeded":
            body["properties"] = {"objectType": "OperationStatusJobExtendedInfo", "jobId": next(iter(self.jobs), None)}
        return body


class Operations:
    """Operations, in the order in which they were accepted.

    Parameters
    ----------
    seed
        Random seed of the ids.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"operations {seed}")  # noqa: S311  # ids must be repeatable
        self._all: dict[str, Operation] = {}
        self._running: dict[str, Operation] = {}

    def new_id(self) -> str:
        """New GUID for an operation."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def begin(self, operation: Operation) -> None:
        """Register an operation as running."""
        self._all[operation.id] = operation
        self._running[key(operation.object_id)] = operation

    def get(self, operation_id: str) -> Operation | None:
        """An operation by its id, running or ended; None if unknown."""
        return self._all.get(key(operation_id))

    def on(self, object_id: str) -> Operation | None:
        """Operation in progress on an object; None if nothing is in progress."""
        return self._running.get(key(object_id))

    def toward(self, policy_id: str) -> int:
        """Number of items that running operations move to a policy."""
        return sum(operation.target == key(policy_id) for operation in self._running.values())

    def due(self, now: datetime) -> Iterator[Operation]:
        """Operations that must have ended by now, the oldest first."""
        over = (operation for operation in self._running.values() if operation.due <= now)
        yield from sorted(over, key=lambda operation: operation.due)

    def end(self, operation: Operation, now: datetime) -> None:
        """Carry out an operation, or let it fail."""
        self._running.pop(key(operation.object_id), None)
        operation.ended = now
        operation.status = "Failed" if operation.fails else "Succeeded"
        if not operation.fails:
            operation.jobs = operation.effect(now)


class RateCounter:
    """Counts the events of the last 24 hours in each vault or subscription."""

    def __init__(self) -> None:
        self._times: dict[str, list[datetime]] = {}

    def count(self, scope: str, now: datetime) -> int:
        """Number of events in a scope in the 24 hours before ``now``."""
        times = [time for time in self._times.get(scope, ()) if time > now - timedelta(hours=24)]
        self._times[scope] = times
        return len(times)

    def add(self, scope: str, now: datetime) -> None:
        """Record an event."""
        self._times.setdefault(scope, []).append(now)
