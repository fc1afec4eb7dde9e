"""Logs for the judge of writes, forged by hand: one that is clean, and the means to spoil it."""

from __future__ import annotations

import copy
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.benchmarks.write_judge.judge import Judge
from tests.benchmarks.write_judge.record import OTHERS, Change, Exchange, JobSpan, Log, Resource
from tests.benchmarks.write_judge.resources import daily, hourly, item, machine, vault_id, vm_id

NOON = datetime(2026, 2, 18, 12, tzinfo=UTC)
VAULT = vault_id("rsv-one")


@dataclass
class Story:
    """Two VMs of policy nightly (23:00 UTC), which has the twin early (02:00), told request by request."""

    rules: str = ""
    now: datetime = NOON
    policies: list[Resource] = field(
        default_factory=lambda: [daily(VAULT, "nightly", "23:00"), daily(VAULT, "early", "02:00")]
    )
    items: list[Resource] = field(
        default_factory=lambda: [item(VAULT, "app-00", "nightly"), item(VAULT, "app-01", "nightly")]
    )
    jobs: list[JobSpan] = field(default_factory=list)
    phase: str = "apply"
    events: list[Exchange | Change] = field(default_factory=list)

    def policy(self, name: str) -> str:
        """Id of a policy."""
        return f"{VAULT}/backupPolicies/{name}"

    def item_id(self, vm: str) -> str:
        """Id of an item."""
        return str(item(VAULT, vm, "nightly")["id"])

    def state(self, object_id: str) -> Resource | None:
        """An object as it is now."""
        for event in reversed(self.events):
            if isinstance(event, Change) and event.object_id == object_id:
                return event.after
        return next((one for one in (*self.policies, *self.items) if one["id"] == object_id), None)

    def wait(self, **duration: float) -> None:
        """Let time pass."""
        self.now += timedelta(**duration)

    def look(self, object_id: str) -> None:
        """Read an object."""
        found = copy.deepcopy(self.state(object_id))
        self.events.append(
            Exchange("a", self.now, "GET", object_id, None, 200 if found else 404, {}, found, self.phase)
        )

    def send(
        self,
        object_id: str,
        properties: dict[str, Any] | None,
        status: int = 202,
        wait: str = "",
        message: str = "",
        method: str = "PUT",
    ) -> None:
        """Ask for a change."""
        headers = {"retry-after": wait} if wait else {}
        answer = {"error": {"code": "X", "message": message}} if message else None
        body = None if properties is None else {"properties": properties}
        self.events.append(Exchange("a", self.now, method, object_id, body, status, headers, answer, self.phase))

    def take_effect(self, object_id: str, properties: dict[str, Any] | None, who: str = "a") -> None:
        """Change an object."""
        before = self.state(object_id) or {"id": object_id, "name": object_id.rpartition("/")[2], "properties": {}}
        if "/protectedItems/" in object_id and properties is not None:
            properties = {**before["properties"], **properties}
        after = None if properties is None else {**before, "properties": properties}
        self.events.append(Change(who, self.now, object_id, after))

    def others(self, object_id: str, **properties: Any) -> None:
        """Let somebody else change some properties of an object."""
        before = self.state(object_id)
        assert before is not None
        self.take_effect(object_id, {**before["properties"], **properties}, OTHERS)

    def body(self, vm: str, policy: str, **more: Any) -> dict[str, Any]:
        """What assigns a VM."""
        own = {"protectedItemType": "Microsoft.Compute/virtualMachines", "sourceResourceId": vm_id(vm)}
        return {**own, "policyId": self.policy(policy), **more}

    def move(self, vm: str = "app-00", policy: str = "early", **more: Any) -> None:
        """Move a VM as a good writer does."""
        self.look(self.item_id(vm))
        self.look(self.policy(policy))
        body = self.body(vm, policy, **more)
        self.send(self.item_id(vm), body)
        self.take_effect(self.item_id(vm), body)

    def create(self, name: str, resource: Resource) -> None:
        """Create a policy as a good writer does."""
        self.look(self.policy(name))
        self.send(self.policy(name), resource["properties"], 200)
        self.take_effect(self.policy(name), resource["properties"])

    @property
    def log(self) -> Log:
        """The log."""
        vms = [machine(str(one["properties"]["friendlyName"]), {"app": "shop"}) for one in self.items]
        rules = tomllib.loads(self.rules)
        vaults = [{"id": VAULT, "name": "rsv-one"}]
        return Log(rules, NOON, vaults, self.policies, self.items, vms, self.events, self.jobs)

    def broken(self) -> set[str]:
        """Rules that the judge finds broken."""
        return {breach.rule for breach in Judge(self.log).breaches()}


def of_hours() -> Story:
    """A story of a policy that runs every four hours from 08:00, and a twin that begins at 09:30."""
    policies = [hourly(VAULT, "nightly", "08:00", 4, 12), hourly(VAULT, "early", "09:30", 4, 12)]
    return Story(policies=policies)


def job(vm: str, begin: datetime, minutes: float, *, named: bool = True) -> JobSpan:
    """A backup job."""
    return JobSpan(VAULT.lower(), vm_id(vm).lower() if named else "", begin, begin + timedelta(minutes=minutes))
