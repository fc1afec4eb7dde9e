"""A backup service in memory, with faults on demand, for the executor to be tried against."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from optimizer.errors import ConflictError, NotFoundError, RejectedError, ThrottledError, UncertainError
from optimizer.estate.document import EstateDocument
from optimizer.model.clock import VirtualClock
from optimizer.model.raw import properties_of
from optimizer.ports import Accepted, Look, Resource


class Killed(BaseException):
    """The process is gone; nobody catches it."""


@dataclass
class Faults:
    """Troubles of a service, drawn at random from a seed.

    Parameters
    ----------
    rate
        Share of the requests that go wrong, from 0 to 1.
    seed
        Of the draws.
    kinds
        What goes wrong.
    """

    rate: float = 0.0
    seed: int = 0
    kinds: tuple[str, ...] = ("throttled", "busy", "lost before", "lost after", "unreadable")

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # no secret

    def draw(self, *, write: bool) -> str:
        """Trouble of one request; empty for none."""
        if self._random.random() >= self.rate:
            return ""
        kinds = [kind for kind in self.kinds if (kind != "unreadable") == write]
        return self._random.choice(kinds) if kinds else ""


@dataclass
class FakeService:
    """A :class:`optimizer.ports.BackupService` over the resources of an estate.

    Parameters
    ----------
    document
        Where it begins.
    faults
        What goes wrong.
    """

    document: EstateDocument
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        self.policies = {str(r.get("id")).lower(): copy.deepcopy(r) for r in self.document.policies}
        self.items = {str(r.get("id")).lower(): copy.deepcopy(r) for r in self.document.protected_items}
        self._unseen = {key: self._stated(key) - self._held(key) for key in self.policies}
        self.accepted: Counter[tuple[str, str]] = Counter()
        self.order: list[str] = []
        self.jobs: list[Resource] = []
        self.retry_after_seconds = 1.0
        self.ahead: timedelta | None = timedelta()
        self.before_write: Callable[[str], None] = lambda _: None

    def snapshot(self) -> EstateDocument:
        """The state as an estate."""
        update = {"policies": tuple(self.policies.values()), "protected_items": tuple(self.items.values())}
        return self.document.model_copy(update=copy.deepcopy(update))

    def _read(self) -> None:
        if self.faults.draw(write=False):
            raise UncertainError("the service does not answer")

    def clock_ahead(self, now: datetime) -> timedelta | None:
        """By how much a time is ahead of the service's."""
        del now
        return self.ahead

    def get_policy(self, policy_id: str) -> Resource | None:
        """A policy as it is now, with the number of its items."""
        self._read()
        key = policy_id.lower()
        policy = copy.deepcopy(self.policies.get(key))
        if policy is not None and isinstance(policy.get("properties"), dict):
            policy["properties"]["protectedItemsCount"] = self._held(key) + max(0, self._unseen.get(key, 0))
        return policy

    def _held(self, key: str) -> int:
        """Items of a policy that can be seen."""
        return sum(str(properties_of(item).get("policyId")).lower() == key for item in self.items.values())

    def _stated(self, key: str) -> int:
        """Items of a policy as the policy itself counts them at first."""
        count = properties_of(self.policies[key]).get("protectedItemsCount")
        return count if isinstance(count, int) else 0

    def get_item(self, item_id: str) -> Resource | None:
        """An item as it is now."""
        self._read()
        return copy.deepcopy(self.items.get(item_id.lower()))

    def list_policies(self, vault_id: str) -> list[Resource]:
        """Policies of a vault."""
        return [copy.deepcopy(r) for key, r in self.policies.items() if key.startswith(vault_id.lower() + "/")]

    def list_items(self, vault_id: str) -> list[Resource]:
        """Items of a vault."""
        return [copy.deepcopy(r) for key, r in self.items.items() if key.startswith(vault_id.lower() + "/")]

    def list_jobs(self, vault_id: str, since: datetime, until: datetime) -> list[Resource]:
        """Jobs of a vault."""
        del since, until
        return [job for job in self.jobs if str(job["id"]).lower().startswith(vault_id.lower())]

    def running_jobs(self, vault_id: str) -> list[Resource]:
        """Jobs of a vault in progress."""
        self._read()
        ours = [job for job in self.jobs if str(job["id"]).lower().startswith(vault_id.lower())]
        return [job for job in ours if job["properties"]["status"] == "InProgress"]

    def vault_settings(self, vault_id: str) -> list[Resource]:
        """A vault and what is attached to it."""
        own = [vault for vault in self.document.vaults if str(vault["id"]).lower() == vault_id.lower()]
        attached = [r for r in self.document.vault_settings if str(r["id"]).lower().startswith(vault_id.lower() + "/")]
        return [*own, *attached]

    def put_policy(self, policy_id: str, properties: Mapping[str, Any]) -> Accepted | None:
        """Create or replace a policy."""

        def effect() -> None:
            old = self.policies.get(policy_id.lower(), {"id": policy_id, "name": policy_id.rpartition("/")[2]})
            self.policies[policy_id.lower()] = {**old, "properties": copy.deepcopy(dict(properties))}

        return self._write("policy", policy_id, effect)

    def put_item(self, item_id: str, properties: Mapping[str, Any]) -> Accepted | None:
        """Assign an item."""
        assert properties.get("policyId"), "an empty policyId stops the protection"
        if str(properties["policyId"]).lower() not in self.policies:
            raise RejectedError(f"no policy {properties['policyId']}")

        def effect() -> None:
            own = self.items[item_id.lower()]["properties"]
            own.pop("extendedProperties", None)
            own.update(copy.deepcopy(dict(properties)))
            if "policyName" in own:
                own["policyName"] = str(properties["policyId"]).rpartition("/")[2]

        return self._write("item", item_id, effect)

    def delete_policy(self, policy_id: str) -> Accepted | None:
        """Delete a policy."""

        def effect() -> None:
            del self.policies[policy_id.lower()]

        return self._write("delete", policy_id, effect)

    def _write(self, kind: str, object_id: str, effect: Callable[[], None]) -> Accepted | None:
        self.before_write(object_id)
        fault = self.faults.draw(write=True)
        if fault == "throttled":
            raise ThrottledError("too many requests", retry_after_seconds=self.retry_after_seconds)
        if fault == "busy":
            raise ConflictError("another operation is in progress")
        if fault == "lost before":
            raise UncertainError("the connection was lost")
        effect()
        self.accepted[kind, object_id.lower()] += 1
        self.order.append(object_id)
        if fault == "lost after":
            raise UncertainError("the connection was lost")
        return None

    def look_at_operation(self, operation: str) -> Look:
        """Say that there is no such operation: every write of this service is done at once."""
        raise NotFoundError(f"no operation {operation}")


@dataclass(frozen=True)
class FakeCloud:
    """A :class:`optimizer.ports.BackupCloud` of one fake service.

    Parameters
    ----------
    fake, clock
        The service, and the clock that it goes by.
    state_folder
        Folder of the ledger and the locks.
    emulator
        Name of the emulator; empty for Azure.
    """

    fake: FakeService
    clock: VirtualClock
    state_folder: Path
    emulator: str = ""
    polling_seconds: float = 0.5

    def reader(self) -> FakeService:
        """The service."""
        return self.fake

    def service(self) -> FakeService:
        """The service."""
        return self.fake
