"""Operations that go on after a write was accepted."""

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
    """One operation.

    Parameters
    ----------
    id
        A GUID.
    object_id
        The object that it changes.
    began, due
        When it was accepted, and when it is through in any case.
    effect
        Carries it out.
    reads_left
        Reads of it, or of its object, before it is through.
    fails
        Whether it comes to nothing.
    several
        Whether it names several jobs, as those of policies do.
    target
        Key of the policy that an item goes to.
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
        """Status as the service writes it; a policy's operation names several jobs, an item's one."""
        end = stamp(self.ended) if self.ended else NEVER
        body: dict[str, Any] = {"id": self.id, "name": self.id, "status": self.status}
        body |= {"startTime": stamp(self.began), "endTime": end}
        if self.status == "Failed":
            message = "The operation failed: the emulator was told so."
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
        Of the ids.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"operations {seed}")  # noqa: S311  # ids that repeat are wanted
        self._all: dict[str, Operation] = {}
        self._running: dict[str, Operation] = {}

    def new_id(self) -> str:
        """A GUID."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def begin(self, operation: Operation) -> None:
        """Take one up."""
        self._all[operation.id] = operation
        self._running[key(operation.object_id)] = operation

    def get(self, operation_id: str) -> Operation | None:
        """An operation, running or ended."""
        return self._all.get(operation_id.lower())

    def on(self, object_id: str) -> Operation | None:
        """The operation in progress on an object."""
        return self._running.get(key(object_id))

    def towards(self, policy_id: str) -> int:
        """How many items are on their way to a policy."""
        return sum(one.target == key(policy_id) for one in self._running.values())

    def due(self, now: datetime) -> Iterator[Operation]:
        """Operations that are through by now, the oldest first."""
        yield from sorted((one for one in self._running.values() if one.due <= now), key=lambda one: one.due)

    def end(self, operation: Operation, now: datetime) -> None:
        """Carry an operation out, or let it fail."""
        self._running.pop(key(operation.object_id), None)
        operation.ended = now
        operation.status = "Failed" if operation.fails else "Succeeded"
        if not operation.fails:
            operation.jobs = operation.effect(now)


class Window:
    """Counts what happened in each place in the last 24 hours."""

    def __init__(self) -> None:
        self._times: dict[str, list[datetime]] = {}

    def count(self, place: str, now: datetime) -> int:
        """How often."""
        times = [time for time in self._times.get(place, ()) if time > now - timedelta(hours=24)]
        self._times[place] = times
        return len(times)

    def add(self, place: str, now: datetime) -> None:
        """Once more."""
        self._times.setdefault(place, []).append(now)
