"""Small estates for whole plans: one imported from files, one in the shape that Azure gives."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from optimizer.arm import ArmResources
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate, open_estate
from optimizer.estate.writer import EstateWriter
from optimizer.intake.estate_import import import_estate
from optimizer.intake.vm_list.vm_columns import REQUIRED
from optimizer.model.load import DayLoad
from optimizer.ports import Resource

BEGIN = date(2026, 2, 2)
"""First day of load, a Monday."""

DAYS = 21
MINUTES = 15

_POLICIES = {
    "nightly": ("vault-a", "Daily", "", "23:00", "UTC", 30),
    "early": ("vault-a", "Daily", "", "02:00", "UTC", 30),
    "berlin": ("vault-a", "Daily", "", "23:00", "W. Europe Standard Time", 30),
    "weekend": ("vault-a", "Weekly", "Sunday", "01:30", "UTC", 84),
    "DailyPolicy-2300": ("vault-b", "Daily", "", "23:00", "UTC", 7),
    "india": ("vault-b", "Daily", "", "22:30", "India Standard Time", 7),
    "twice": ("vault-b", "Weekly", "Wednesday;Saturday", "22:00", "W. Europe Standard Time", 30),
}
"""Policy -> vault, frequency, days, time, zone, retention; vault-a's first two are twins."""

_SERVICES = {
    "erp": ["nightly"] * 8 + ["DailyPolicy-2300"] * 4,
    "shop": ["nightly"] * 5 + ["early"] * 2 + ["berlin"],
    "mail": ["berlin"] * 5,
    "web": ["DailyPolicy-2300"] * 4 + ["twice"] * 2,
    "pay": ["india"] * 4,
    "": ["weekend", "early", "india", "twice", "nightly"],
}
"""Service -> policy of each of its VMs; ``erp`` spans both vaults."""


def vm_rows() -> list[dict[str, str]]:
    """Rows of ``vms.csv``: 40 VMs of five services and some without."""
    rows = []
    for service, policies in _SERVICES.items():
        for number, policy in enumerate(policies):
            vault, frequency, days, start, zone, retention = _POLICIES[policy]
            values = (f"{service or 'single'}-{number:02d}", service, vault, policy, frequency, days, start, zone)
            rows.append(dict(zip(REQUIRED, (*values, str(retention)), strict=True)))
    return rows


def write_rows(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    """``vms.csv`` of these rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, REQUIRED)
        writer.writeheader()
        writer.writerows(rows)
    return path


def busy(number: int, hours: npt.NDArray[np.float64], days: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """When the VM of this number is hot: every other one on most nights, round the times at which people back up."""
    if number % 2:
        return np.zeros(np.broadcast(hours, days).shape, dtype=np.bool_)
    begin = 22.0 + number % 5
    return ((hours - begin) % 24 < 2 + number % 3) & ((days + number) % 7 < 5)


def load_of(names: Sequence[str], first_day: int, num_days: int) -> pl.DataFrame:
    """Load of some VMs by VM and time; a day looks the same whenever it is generated."""
    per_day = 24 * 60 // MINUTES
    hours = np.arange(per_day)[None, :] * MINUTES / 60
    days = np.arange(first_day, first_day + num_days)[:, None]
    begin = datetime.combine(BEGIN + timedelta(days=first_day), time.min, UTC)
    stamps = pl.datetime_range(
        begin, begin + timedelta(days=num_days), f"{MINUTES}m", closed="left", eager=True, time_zone="UTC"
    )
    frames = []
    for number, name in enumerate(names):
        calm = 20 + 15 * np.sin((hours + number) / 24 * 2 * np.pi) + (days % 7)
        cpu = np.where(busy(number, hours, days), 97.0, calm).ravel()
        mem = np.full(len(cpu), 50.0 + number % 10)
        frames.append(pl.DataFrame({"vm": [name] * len(cpu), "ts": stamps, "cpu_percent": cpu, "mem_percent": mem}))
    return pl.concat(frames)


def write_inputs(folder: Path, *services: str) -> tuple[Path, Path]:
    """``vms.csv`` and ``load.parquet`` of the imported estate, or of some of its services, which takes less time."""
    rows = [row for row in vm_rows() if not services or row["service"] in services]
    load = folder / "load.parquet"
    load_of([row["vm"] for row in rows], 0, DAYS).write_parquet(load)
    return write_rows(folder / "vms.csv", rows), load


def imported_estate(folder: Path) -> Estate:
    """Import the files of :func:`write_inputs`."""
    folder.mkdir(parents=True, exist_ok=True)
    vms, load = write_inputs(folder)
    import_estate(vms, load, folder / "estate")
    return open_estate(folder / "estate")


def with_another_month(folder: Path, inventory: EstateDocument) -> Estate:
    """Add a month of the same behavior to an estate of :func:`imported_estate`, with another inventory."""
    names = [str(vm["id"]) for vm in inventory.vms]
    load = folder / "next.parquet"
    load_of(names, DAYS, 28).write_parquet(load)
    import_estate(folder / "vms.csv", load, folder / "estate", append=True)
    estate = open_estate(folder / "estate")
    kept = {"policies": inventory.policies, "protected_items": inventory.protected_items}
    return Estate(estate.path, estate.document.model_copy(update=kept))


GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg-backup"
VAULT = f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/rsv-one"
VM_GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg-app"


def vm_id(name: str) -> str:
    """ARM id of a VM."""
    return f"{VM_GROUP}/providers/Microsoft.Compute/virtualMachines/{name}"


def policy_id(name: str, vault: str = VAULT) -> str:
    """ARM id of a policy."""
    return f"{vault}/backupPolicies/{name}"


def standard_policy(
    name: str, start: str, *, items: int | None = None, count: int = 30, vault: str = VAULT, zone: str = "UTC"
) -> Resource:
    """Build a Standard daily policy."""
    times = [f"2019-05-01T{start}:00Z"]
    properties: dict[str, Any] = {
        "backupManagementType": "AzureIaasVM",
        "instantRPDetails": {"azureBackupRGNamePrefix": "rg-restore"},
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunFrequency": "Daily",
            "scheduleRunTimes": times,
            "scheduleWeeklyFrequency": 0,
        },
        "retentionPolicy": {
            "retentionPolicyType": "LongTermRetentionPolicy",
            "dailySchedule": {
                "retentionTimes": times,
                "retentionDuration": {"count": count, "durationType": "Days"},
            },
        },
        "instantRpRetentionRangeInDays": 2,
        "timeZone": zone,
    }
    if items is not None:
        properties["protectedItemsCount"] = items
    return _policy(name, vault, properties)


def hourly_policy(name: str, start: str, items: int) -> Resource:
    """Build an Enhanced policy that runs every 4 hours for 12 hours."""
    at = f"2022-03-01T{start}:00+00:00"
    return _policy(
        name,
        VAULT,
        {
            "backupManagementType": "AzureIaasVM",
            "policyType": "V2",
            "schedulePolicy": {
                "schedulePolicyType": "SimpleSchedulePolicyV2",
                "scheduleRunFrequency": "Hourly",
                "hourlySchedule": {"interval": 4, "scheduleWindowStartTime": at, "scheduleWindowDuration": 12},
            },
            "retentionPolicy": {
                "retentionPolicyType": "LongTermRetentionPolicy",
                "dailySchedule": {
                    "retentionTimes": [at],
                    "retentionDuration": {"count": 14, "durationType": "Days"},
                },
            },
            "timeZone": "UTC",
            "protectedItemsCount": items,
        },
    )


def sql_policy(name: str) -> Resource:
    """Build a policy of another workload, which takes a place and a name in the vault."""
    return _policy(name, VAULT, {"backupManagementType": "AzureWorkload", "workLoadType": "SQLDataBase"})


def _policy(name: str, vault: str, properties: dict[str, Any]) -> Resource:
    return {
        "id": policy_id(name, vault),
        "name": name,
        "type": "Microsoft.RecoveryServices/vaults/backupPolicies",
        "properties": properties,
    }


def item(vm: str, policy: str, *, vault: str = VAULT, **properties: object) -> Resource:
    """Build a protected item."""
    container = f"iaasvmcontainerv2;rg-app;{vm}"
    folder = f"{vault}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{container}"
    return {
        "id": f"{folder}/protectedItems/VM;{container}",
        "name": f"VM;{container}",
        "properties": {
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "backupManagementType": "AzureIaasVM",
            "sourceResourceId": vm_id(vm),
            "virtualMachineId": vm_id(vm),
            "policyId": policy_id(policy, vault),
            "policyName": policy,
            "protectionState": "Protected",
            **properties,
        },
    }


def machine(name: str, **tags: str) -> Resource:
    """Build a VM."""
    return {"id": vm_id(name), "name": name, "location": "westeurope", "tags": tags, "properties": {}}


def arm_estate(folder: Path) -> Estate:
    """Write an estate as Azure shows it: hourly policies, items that must not be written, a policy nobody uses."""
    daily = [f"app-{number:02d}" for number in range(10)]
    few = [f"half-{number}" for number in range(2)]
    hourly = [f"db-{number}" for number in range(3)]
    policies = [
        standard_policy("nightly", "23:00", items=12),
        standard_policy("shared", "23:00", items=7),  # five of its items are in nobody's sight
        standard_policy("nobody", "05:30", items=0),
        standard_policy("nobody-else", "04:00", items=0, count=365),
        hourly_policy("every-four", "08:00", 3),
        sql_policy("nightly-0030"),
    ]
    items = [
        *(item(name, "nightly") for name in daily),
        item("new-vm", "nightly", protectionState="IRPending"),
        item("stopped", "nightly", protectionState="ProtectionStopped"),
        *(item(name, "shared") for name in few),
        *(item(name, "every-four") for name in hourly),
    ]
    names = [*daily, *few, *hourly, "new-vm", "stopped"]
    load = load_of([vm_id(name) for name in names], 0, 15)
    days = load.with_columns(day=pl.col("ts").dt.date()).partition_by("day", as_dict=True)
    with EstateWriter(folder) as writer:
        for (day,), frame in sorted(days.items()):
            assert isinstance(day, date)
            writer.add_load(_day(day, frame))
        writer.commit(
            ArmResources(
                as_of=datetime(2026, 2, 17, tzinfo=UTC),
                source="azure",
                vaults=[{"id": VAULT, "name": "rsv-one", "location": "westeurope"}],
                policies=policies,
                protected_items=items,
                vms=[machine(name, app="shop" if name.startswith("app") else "data") for name in names],
            ),
            created_at=datetime(2026, 2, 18, tzinfo=UTC),
        )
    return open_estate(folder)


def _day(day: date, frame: pl.DataFrame) -> DayLoad:
    repeat = MINUTES // 5
    by_vm = {str(vm): rows for (vm,), rows in frame.partition_by("vm", as_dict=True).items()}
    names = sorted(by_vm)

    def grid(metric: str) -> npt.NDArray[np.float32]:
        rows = [np.repeat(by_vm[name].sort("ts")[metric].to_numpy(), repeat) for name in names]
        return np.array(rows, dtype=np.float32)

    return DayLoad(day, tuple(names), grid("cpu_percent"), grid("mem_percent"))
