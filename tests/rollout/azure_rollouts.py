"""Small estates in the emulator, and roll-outs of their plans through the real clients."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from optimizer.azure.connection import Connection
from optimizer.azure.service import AzureBackupService
from optimizer.documents import PlanDocument, ReassignItem, ScheduleEntry
from optimizer.emulator import AcceptedWrite, Emulator, EmulatorSettings
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate
from optimizer.model.clock import VirtualClock
from optimizer.model.raw import canonical_json
from optimizer.model.rules import Rules
from optimizer.model.timegrid import format_start
from optimizer.ports import Progress, Resource, no_progress
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.reporter import Reporter
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.prepared import Prepared, latest_end
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from tests.plan.estates import VAULT, item, standard_policy
from tests.rollout.conftest import PACE, Ready
from tests.rollout.small_rollouts import NOW, SECOND_VAULT, World, world

EXCLUSION = {"diskExclusionProperties": {"diskLunList": [0, 1], "isInclusionList": True}}

LOCK: Resource = {
    "id": f"{VAULT}/providers/Microsoft.Authorization/locks/keep",
    "name": "keep",
    "type": "Microsoft.Authorization/locks",
    "properties": {"level": "ReadOnly"},
}

POLICY_REQUEST = "/guards/g1/updateProtectionPolicyRequests/default"
ITEM_REQUEST = "/guards/g1/updateProtectedItemRequests/default"
_ITEM_WRITE = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/write"

GUARD: Resource = {
    "id": f"{VAULT}/backupResourceGuardProxies/VaultProxy",
    "name": "VaultProxy",
    "type": "Microsoft.RecoveryServices/vaults/backupResourceGuardProxies",
    "properties": {
        "resourceGuardOperationDetails": [
            {"vaultCriticalOperation": _ITEM_WRITE, "defaultResourceRequest": ITEM_REQUEST},
            {
                "vaultCriticalOperation": "Microsoft.RecoveryServices/vaults/backupPolicies/write",
                "defaultResourceRequest": POLICY_REQUEST,
            },
        ]
    },
}


def small(rules: Rules | None = None, **items: Mapping[str, Any]) -> World:
    """Five VMs of one policy, two of which go to new policies, and an edited policy of another retention.

    Parameters
    ----------
    rules
        None: the default rules.
    items
        Further properties of items, by VM name with ``_`` for ``-``.
    """
    policies = [standard_policy("nightly", "23:00", items=5), standard_policy("weekly-7", "22:00", items=2, count=7)]
    places = {f"app-{n}": "nightly" for n in range(5)} | {f"db-{n}": "weekly-7" for n in range(2)}
    targets = {"app-0": "02:00", "app-1": "03:30", "db-0": "04:00", "db-1": "04:00"}
    found = world(policies, places, targets, rules or Rules())
    return with_items(found, {name.replace("_", "-"): properties for name, properties in items.items()})


def of_two_vaults() -> World:
    """Two VMs in each of two vaults, one of which moves to a new policy."""
    policies = [
        standard_policy("first", "23:00", items=2),
        standard_policy("second", "23:00", items=2, vault=SECOND_VAULT),
    ]
    places = {"one-0": "first", "one-1": "first", "two-0": "second", "two-1": "second"}
    return world(policies, places, {"one-0": "02:00", "two-0": "03:00"}, Rules())


def with_items(found: World, properties: Mapping[str, Mapping[str, Any]]) -> World:
    """The same world with further properties of some items."""
    items = [
        {**one, "properties": {**one["properties"], **properties.get(vm_of(one), {})}}
        for one in found.document.protected_items
    ]
    return replace(found, document=found.document.model_copy(update={"protected_items": tuple(items)}))


def with_parts(found: World, **parts: tuple[Resource, ...]) -> World:
    """The same world with other parts of its document."""
    return replace(found, document=found.document.model_copy(update=parts))


def stopped_item(vm: str) -> Resource:
    """Build an item whose protection was stopped."""
    found = item(vm, "nightly", protectionState="ProtectionStopped")
    return {**found, "properties": {**found["properties"], "policyId": "", "policyName": ""}}


def vm_of(resource: Resource) -> str:
    """Name of the VM of an item."""
    return str(resource["properties"]["sourceResourceId"]).rpartition("/")[2]


def ready_of(found: World) -> Ready:
    """Plan of a world, ready to be applied."""
    inventory, changes = found.inventory, found.diff().changes
    policies = {change.vm: change.policy for change in changes if isinstance(change, ReassignItem)}
    schedule = tuple(
        ScheduleEntry.model_construct(
            vm=one.vm_id,
            vault=one.vault_id.rpartition("/")[2],
            policy=policies.get(one.vm_id, inventory.policy(one).name),
            timezone=inventory.policy(one).timezone,
            start_today=format_start(inventory.policy(one).start),
            start=format_start(int(option)),
            risk_today=1.0,
            risk=0.0,
        )
        for one, option in zip(inventory.items, found.options, strict=True)
    )
    digest = hashlib.sha256(canonical_json([change.model_dump() for change in changes])).hexdigest()
    plan = PlanDocument.model_construct(
        changes=changes, schedule=schedule, rules=found.rules, fingerprint=f"sha256:{digest}"
    )
    return Ready(Estate(Path("estate"), _as_listed(found.document)), plan, Path("plan.json"))


def _as_listed(document: EstateDocument) -> EstateDocument:
    """Items with the container that jobs are told by."""
    items = [
        {**one, "properties": {"containerName": f"iaasvmcontainerv2;rg-app;{vm_of(one)}", **one["properties"]}}
        for one in document.protected_items
    ]
    return document.model_copy(update={"protected_items": tuple(items)})


@dataclass(frozen=True)
class Azure:
    """The emulator of a plan's estate, its clock, and the real clients."""

    ready: Ready
    emulator: Emulator
    clock: VirtualClock
    service: AzureBackupService
    folder: Path

    @property
    def journal(self) -> Path:
        """Of the plan."""
        return self.folder / "plan.journal.jsonl"

    def prepare(self, *, resume: bool = False, scope: RunScope = RunScope(), journal: Path | None = None) -> Prepared:  # noqa: B008  # frozen
        """Check the plan and lay it out."""
        return prepare_apply(
            self.ready.case,
            Session(self.service, self.clock, Ledger(self.folder / "state")),
            RunJournal(journal or self.journal, resume=resume),
            scope=scope,
        )

    def carry_out(
        self, prepared: Prepared, *, guard_request: bool = False, progress: Progress = no_progress
    ) -> RunOutcome:
        """Make the writes of a prepared run."""
        return carry_out(
            prepared,
            Session(self.service, self.clock, Ledger(self.folder / "state")),
            until=latest_end(prepared.rollout, self.clock.now()),
            pace=PACE,
            guard_request=guard_request,
            reporter=Reporter(progress=progress),
        )

    def apply(self, *, resume: bool = False, scope: RunScope = RunScope(), guard_request: bool = False) -> RunOutcome:  # noqa: B008  # frozen
        """Both."""
        return self.carry_out(self.prepare(resume=resume, scope=scope), guard_request=guard_request)

    @property
    def written(self) -> list[str]:
        """Names of what was written: of the policy, or of the item's VM."""
        return [name_of(write) for write in self.emulator.writes]

    def moved(self, vm: str) -> AcceptedWrite:
        """The only write of the item of a VM."""
        (write,) = (one for one in self.emulator.writes if is_item(one) and name_of(one) == vm)
        return write


@contextmanager
def azure(
    ready: Ready,
    folder: Path,
    *,
    now: datetime = NOW,
    settings: EmulatorSettings = EmulatorSettings(),  # noqa: B008  # frozen
    jobs: pl.DataFrame | None = None,
) -> Iterator[Azure]:
    """Serve the estate of a plan until the end of the block."""
    clock = VirtualClock(now)
    emulator = Emulator.of_estate(ready.document, clock=clock, settings=settings, jobs=jobs)
    with emulator:
        connection = Connection.to_emulator(emulator.endpoint, emulator.ca_file)
        with AzureBackupService(connection) as service:
            yield Azure(ready, emulator, clock, service, folder)


def name_of(write: AcceptedWrite) -> str:
    """Of the policy, or of the item's VM."""
    return write.object_id.rpartition("/")[2].rpartition(";")[2]


def is_item(write: AcceptedWrite) -> bool:
    """Whether an item was written."""
    return "/protecteditems/" in write.object_id.lower()


def body_of(write: AcceptedWrite) -> dict[str, Any]:
    """Properties that were sent."""
    return dict((write.body or {})["properties"])


def per_day(writes: Sequence[AcceptedWrite], begin: datetime) -> list[int]:
    """Writes of policies by day since the beginning."""
    days = [(write.at - begin).days for write in writes if not is_item(write)]
    return [days.count(day) for day in range(max(days) + 1)]
