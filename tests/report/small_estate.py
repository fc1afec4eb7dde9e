"""A small estate and a plan of it, built from the model's own classes, for the tests of reports and audit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache

import numpy as np
import numpy.typing as npt

from optimizer.documents.fingerprint import with_fingerprint
from optimizer.documents.plan_document import (
    NO_FINGERPRINT,
    Change,
    CostSummary,
    CreatePolicy,
    EditPolicy,
    EstateReference,
    Expectation,
    PlanDocument,
    ReassignItem,
    ScheduleEntry,
    Settings,
    Summary,
    TodayAndPlan,
    TodayAndPlanCount,
)
from optimizer.model.inventory import Inventory, Policy, ProtectedItem, SubType, Vault, Vm
from optimizer.model.load import DayLoad
from optimizer.model.occupancy import expected_overlaps, service_occupancy, starts_today
from optimizer.model.rules import Rules
from optimizer.model.timegrid import WEEKDAYS, Frequency, Recurrence, format_minute, format_start

AS_OF = datetime(2025, 9, 1, 6, 0, tzinfo=UTC)
SUBSCRIPTION = "/subscriptions/5d2c1f0e-0000-4000-8000-000000000001/resourceGroups"
DAILY = Recurrence(Frequency.DAILY)
HOSTILE = "<script>alert('vm')</script>"


def vault_id(number: int) -> str:
    """ARM id of a vault."""
    return f"{SUBSCRIPTION}/rg-backup/providers/Microsoft.RecoveryServices/vaults/vault-{number}"


def vm_id(name: str) -> str:
    """ARM id of a VM."""
    return f"{SUBSCRIPTION}/rg-production-westeurope/providers/Microsoft.Compute/virtualMachines/{name}"


def make_policy(
    vault: int, name: str, start: int, recurrence: Recurrence = DAILY, timezone: str = "UTC", items: int | None = None
) -> Policy:
    """Build a policy of a vault."""
    return Policy(
        id=f"{vault_id(vault)}/backupPolicies/{name}",
        name=name,
        vault_id=vault_id(vault),
        sub_type=SubType.ENHANCED if recurrence.frequency is Frequency.HOURLY else SubType.STANDARD,
        recurrence=recurrence,
        start=start,
        timezone=timezone,
        twin_key=f"{vault}-{recurrence.frequency}-{timezone}",
        properties={},
        items_reported=items,
    )


def make_inventory(num_vms: int = 30, services: int = 5) -> Inventory:
    """Build an estate of two vaults with daily, weekly and hourly policies; one VM has a hostile name."""
    policies = [
        make_policy(1, "daily-2300", 46),
        make_policy(1, "daily-berlin", 46, timezone="W. Europe Standard Time"),
        make_policy(1, "weekly-sunday", 4, Recurrence(Frequency.WEEKLY, days=(6,))),
        make_policy(2, "daily-0200", 4, items=97),
        make_policy(2, "hourly", 16, Recurrence(Frequency.HOURLY, interval_hours=4, duration_hours=8)),
    ]
    vms, items, idle = {}, [], []
    for n in range(num_vms):
        name = HOSTILE if n == 1 else f"vm-{n:03d}"
        policy = policies[(n % 7) % 5 if n % 7 < 5 else 0]
        service = f"service-{n % services}" if n != 2 else "a-service-with-a-very-long-name-that-goes-on-and-on"
        vm = Vm(id=vm_id(name), name=name, service=service, tags={"tier": "db" if n % 9 == 0 else "web"})
        vms[vm.id.lower()] = vm
        why = "the initial backup is pending" if n == 5 else ""
        items.append(ProtectedItem(f"{policy.vault_id}/items/{n}", vm.id, policy.id, policy.vault_id, unwritable=why))
    lost = Vm(id=vm_id("vm-stopped"), name="vm-stopped", service="service-0")
    vms[lost.id.lower()] = lost
    idle.append(ProtectedItem("idle", lost.id, policies[0].id, vault_id(1), "protection is stopped", runs=False))
    return Inventory(
        as_of=AS_OF,
        vaults={vault_id(n).lower(): Vault(vault_id(n), f"vault-{n}", other_policies=196 * (n == 2)) for n in (1, 2)},
        policies={policy.id.lower(): policy for policy in policies},
        vms=vms,
        items=tuple(items),
        idle_items=tuple(idle),
    )


def make_risk(inventory: Inventory, seed: int = 1) -> npt.NDArray[np.float64]:
    """Risk of every item and option: busy around midnight, quiet in the morning; every third VM is never busy."""
    rng = np.random.default_rng(seed)
    hump = 1 + np.cos((np.arange(48) - 47) / 48 * 2 * np.pi)
    scale = rng.gamma(1.5, 2.0, len(inventory.items)) * (np.arange(len(inventory.items)) % 3 > 0)
    return np.asarray(scale[:, None] * hump[None, :])


def make_plan(inventory: Inventory, risk: npt.NDArray[np.float64], seed: int = 2) -> PlanDocument:
    """Build a plan that moves most VMs to the morning: believable, not optimal."""
    rng = np.random.default_rng(seed)
    today = starts_today(inventory)
    starts = today.copy()
    for row, item in enumerate(inventory.items):
        options = inventory.policy(item).recurrence.options(int(today[row]))
        if rng.random() < 0.6 and not item.unwritable:
            starts[row] = min(rng.choice(options, 6), key=lambda t: risk[row, t])
    rows = np.arange(len(starts))
    occupancy = [service_occupancy(inventory, of)[1] for of in (today, starts)]
    overlaps = [float(expected_overlaps(inventory, of).sum()) for of in (today, starts)]
    at_risk = [float(risk[rows, of].sum()) for of in (today, starts)]
    changes = _changes(inventory, starts)
    gain = risk[rows, today] - risk[rows, starts]
    cost_today, cost_plan = at_risk[0] + 0.0145 * overlaps[0], at_risk[1] + 0.0145 * overlaps[1] + 0.5
    bound = cost_today - (cost_today - cost_plan) / 0.95
    summary = Summary(
        vms=len(rows),
        moved=int((starts != today).sum()),
        reassigned=sum(change.kind == "reassign_item" for change in changes),
        policies_created=sum(change.kind == "create_policy" for change in changes),
        policies_edited=sum(change.kind == "edit_policy" for change in changes),
        status="feasible",
        stopped="effort",
        reference="today",
        at_risk_per_month=TodayAndPlan(today=at_risk[0], plan=at_risk[1]),
        overlaps_per_month=TodayAndPlan(today=overlaps[0], plan=overlaps[1]),
        peak_concurrency=TodayAndPlanCount(today=int(occupancy[0].max()), plan=int(occupancy[1].max())),
        vms_helped=int((gain > 1e-9).sum()),
        vms_unharmed=int((abs(gain) <= 1e-9).sum()),
        vms_harmed=int((gain < -1e-9).sum()),
        cost=CostSummary(today=cost_today, reference=cost_today, plan=cost_plan, bound=bound),
        captured=(cost_today - cost_plan) / (cost_today - bound),
        gap=cost_plan - bound,
        seconds=2.5,
        model_change=at_risk[1] - at_risk[0],
        expected_change=Expectation(value=-21.5, low=-26.0, high=-17.0, today=42.0, plan=20.5),
    )
    plan = PlanDocument(
        created_at=AS_OF + timedelta(hours=1),
        fingerprint=NO_FINGERPRINT,
        estate=EstateReference(path="estate", fingerprint="0" * 64, as_of=AS_OF),
        rules=Rules(),
        settings=Settings(seed=0, effort=3, time_limit_seconds=None),
        versions={"optimizer": "0.1.0", "ortools": "9.15"},
        summary=summary,
        notes=(f"The VM {HOSTILE} has too little history: it is credited no gain.",),
        schedule=tuple(_entry(inventory, row, int(starts[row]), risk) for row in range(len(rows))),
        changes=tuple(changes),
    )
    return with_fingerprint(plan)


def _target(name: str, start: int) -> str:
    return f"{name}-{format_start(start).replace(':', '')}"


def _changes(inventory: Inventory, starts: npt.NDArray[np.int64]) -> list[Change]:
    created: dict[str, Change] = {}
    moves: list[Change] = []
    for row, item in enumerate(inventory.items):
        policy, start = inventory.policy(item), int(starts[row])
        if start == policy.start:
            continue
        name, vault = _target(policy.name, start), item.vault_id
        target = f"{vault}/backupPolicies/{name}"
        created[target] = CreatePolicy(
            vault_id=vault, policy=name, policy_id=target, twin_of=policy.id, start=format_start(start), properties={}
        )
        moves.append(
            ReassignItem(
                vault_id=vault,
                item_id=item.id,
                vm=item.vm_id,
                policy_today=policy.name,
                policy_today_id=policy.id,
                policy=name,
                policy_id=target,
            )
        )
    edit = EditPolicy(
        vault_id=vault_id(1), policy="unused", policy_id="unused", start_today="23:00", start="05:30", properties={}
    )
    return [*created.values(), edit, *moves]


def _entry(inventory: Inventory, row: int, start: int, risk: npt.NDArray[np.float64]) -> ScheduleEntry:
    item = inventory.items[row]
    policy, vm = inventory.policy(item), inventory.vm(item)
    recurrence = policy.recurrence
    offset = inventory.pattern(policy).offsets[0]
    moved = start != policy.start
    return ScheduleEntry(
        vm=vm.id,
        service=vm.service,
        vault=inventory.vault(item).name,
        frequency=recurrence.frequency.value,
        days=tuple(WEEKDAYS[day] for day in recurrence.days),
        interval_hours=recurrence.interval_hours,
        duration_hours=recurrence.duration_hours,
        timezone=policy.timezone,
        policy_today=policy.name,
        start_today=format_start(policy.start),
        start_today_utc=format_minute(policy.start * 30 - offset),
        policy=_target(policy.name, start) if moved else policy.name,
        start=format_start(start),
        start_utc=format_minute(start * 30 - offset),
        risk_today=float(risk[row, policy.start]),
        risk=float(risk[row, start]),
        reason="less busy at this time" if moved else "no allowed start is better by more than the price of a move",
    )


@dataclass(frozen=True)
class SmallLoad:
    """Load of one VM: 14 days, busy around midnight, one gap."""

    dates: tuple[date, ...]
    cpu_percent: npt.NDArray[np.float32]
    mem_percent: npt.NDArray[np.float32]
    cpu_max: npt.NDArray[np.float32] | None = None
    mem_max: npt.NDArray[np.float32] | None = None


class SmallLoadSource:
    """A source that makes up load, from the id of each VM, for the VMs of an inventory."""

    def __init__(self, inventory: Inventory) -> None:
        self._vm_ids = tuple(sorted(item.vm_id for item in inventory.items))

    def dates(self) -> tuple[date, ...]:
        """The days with load."""
        return tuple(date(2025, 8, 10) + timedelta(days=n) for n in range(14))

    def read_day(self, day: date) -> DayLoad:
        """Load of all VMs on a day."""
        row = self.dates().index(day)
        loads = [self.read_vm(vm_id) for vm_id in self._vm_ids]
        cpu, mem = (
            np.array([getattr(load, metric)[row] for load in loads]) for metric in ("cpu_percent", "mem_percent")
        )
        return DayLoad(day, self._vm_ids, cpu.reshape(-1, 288), mem.reshape(-1, 288))

    @cache  # noqa: B019  # the source lives as long as its test module
    def read_vm(self, vm_id: str) -> SmallLoad:
        """Load of one VM."""
        rng = np.random.default_rng(sum(vm_id.encode()))
        hour = np.arange(288) / 12
        hump = 45 + 42 * np.cos((hour - 23.5) / 24 * 2 * np.pi)
        cpu = np.clip(hump[None, :] + rng.normal(0, 9, (14, 288)), 0, 100).astype(np.float32)
        cpu[3, 100:140] = np.nan
        mem = np.clip(55 + rng.normal(0, 3, (14, 288)), 0, 100).astype(np.float32)
        return SmallLoad(self.dates(), cpu, mem)
