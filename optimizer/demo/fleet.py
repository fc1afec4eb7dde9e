"""Generates a realistic fleet as ARM resources: services, VMs, vaults and policies as people set them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np

from optimizer.model.timegrid import NUM_OPTIONS, WEEKDAYS, format_start, parse_start
from optimizer.ports import Resource

Rng = np.random.Generator

TIERS = ("web", "app", "db", "batch")
_TIER_SHARES = (0.3, 0.4, 0.2, 0.1)
_ENVS, _ENV_SHARES = ("prod", "test", "dev"), (0.7, 0.18, 0.12)
_APPS = (
    "shop", "billing", "crm", "portal", "payroll", "search", "catalog", "orders", "claims", "ledger", "wiki", "mail",
    "identity", "reports", "routing", "stock", "pricing", "archive", "telemetry", "planner", "loyalty", "tickets",
    "scoring", "print", "gateway", "forecast", "audit", "fleet", "booking", "media",
)  # fmt: skip
_SIZES = (
    "Standard_B2ms",
    "Standard_D2s_v5",
    "Standard_D4s_v5",
    "Standard_E4s_v5",
    "Standard_E8s_v5",
    "Standard_F4s_v2",
)

REGIONS = (
    ("westeurope", "weu", "Europe/Amsterdam", "W. Europe Standard Time"),
    ("eastus", "eus", "America/New_York", "Eastern Standard Time"),
    ("centralindia", "inc", "Asia/Kolkata", "India Standard Time"),
)
"""Region, its abbreviation, and the IANA and Windows names of the time zone of the people who use its VMs."""

_REGION_SHARES = (0.6, 0.25, 0.15)
"""Share of vaults in each region, apart from the first three vaults, whose regions are fixed."""

_VMS_PER_VAULT = 350
"""Number of VMs for which the demo creates one vault, with at least three vaults."""

_MOST_IN_POLICY = 100
"""Number of VMs after which a policy is full, as in the portal."""

_MOST_IN_SERVICE = 60
"""Maximum number of VMs in a service."""

# Share of daily policies by start time, as in published policies; the rest is spread over all times.
_FAVOURITES = {"02:00": 0.33, "01:00": 0.1, "00:00": 0.08, "03:00": 0.08, "20:00": 0.06, "21:00": 0.06, "22:30": 0.06}
_AT_23 = 0.55
"""Share of the daily VMs of a vault whose policy starts at 23:00, as in published policies."""

_UTC_SHARE, _WEEKLY_SHARE, _HOURLY_SHARE, _ENHANCED_SHARE = 0.79, 0.13, 0.03, 0.09


@dataclass(frozen=True)
class DemoVm:
    """A VM of the demo, with the data that the load generator needs."""

    id: str
    name: str
    service: int
    tier: str
    env: str
    os: str
    region: int
    vault: int


@dataclass
class DemoPolicy:
    """A policy of the demo, with the number of its VMs."""

    id: str
    vault: int
    frequency: str
    option: int
    timezone: str
    days: tuple[int, ...]
    weight: float
    resource: Resource
    vms: int = 0


@dataclass
class Fleet:
    """Inventory of the demo.

    Parameters
    ----------
    vms, policy_of
        VMs, and the policy of the VM at each position.
    vaults, policies, protected_items, vm_resources
        Resources in the form of ARM.
    """

    vms: list[DemoVm] = field(default_factory=list)
    policy_of: list[DemoPolicy] = field(default_factory=list)
    num_services: int = 0
    vault_regions: list[int] = field(default_factory=list)
    vaults: list[Resource] = field(default_factory=list)
    policies: list[DemoPolicy] = field(default_factory=list)
    other_policies: list[Resource] = field(default_factory=list)
    protected_items: list[Resource] = field(default_factory=list)
    vm_resources: list[Resource] = field(default_factory=list)


def build_fleet(rng: Rng, num_vms: int) -> Fleet:
    """Generate a fleet of ``num_vms`` VMs; equal generator states produce equal fleets."""
    fleet = Fleet()
    subscription = str(UUID(bytes=rng.bytes(16), version=4))
    _add_vaults(fleet, rng, subscription, max(3, -(-num_vms // _VMS_PER_VAULT)))
    _add_vms(fleet, rng, subscription, num_vms)
    _assign_policies(fleet, rng)
    return fleet


def _add_vaults(fleet: Fleet, rng: Rng, subscription: str, number: int) -> None:
    for index in range(number):
        # The regions of the first three vaults are fixed, so that even a small demo has several time zones.
        region = (0, 0, 1)[index] if index < 3 else int(rng.choice(len(REGIONS), p=_REGION_SHARES))
        location, short, _, _ = REGIONS[region]
        name = f"rsv-backup-{short}-{index + 1:03d}"
        vault_id = (
            f"/subscriptions/{subscription}/resourceGroups/rg-backup-{short}"
            f"/providers/Microsoft.RecoveryServices/vaults/{name}"
        )
        fleet.vault_regions.append(region)
        fleet.vaults.append(
            {
                "id": vault_id,
                "name": name,
                "type": "Microsoft.RecoveryServices/vaults",
                "location": location,
                "sku": {"name": "RS0", "tier": "Standard"},
                "properties": {"provisioningState": "Succeeded"},
            }
        )
        fleet.other_policies.append(_sql_policy(vault_id))
        for policy in _vault_policies(rng, vault_id, index, region):
            fleet.policies.append(policy)


def _sql_policy(vault_id: str) -> Resource:
    return {
        "id": f"{vault_id}/backupPolicies/HourlyLogBackup",
        "name": "HourlyLogBackup",
        "type": "Microsoft.RecoveryServices/vaults/backupPolicies",
        "properties": {
            "backupManagementType": "AzureWorkload",
            "workLoadType": "SQLDataBase",
            "subProtectionPolicy": [],
        },
    }


def _vault_policies(rng: Rng, vault_id: str, vault: int, region: int) -> list[DemoPolicy]:
    """Four to eight policies: daily ones, the first at the usual 23:00, one or two weekly ones, and an hourly one."""
    num_daily, num_weekly = int(rng.integers(2, 6)), int(rng.integers(1, 3))
    policies: list[DemoPolicy] = []
    for number in range(num_daily):
        option = parse_start("23:00") if number == 0 else _draw_time(rng)
        weight = _AT_23 if number == 0 else (1 - _AT_23) / max(1, num_daily - 1)
        enhanced = number > 0 and rng.random() < _ENHANCED_SHARE * 3
        retention = int(rng.choice([30, 7, 10], p=[0.7, 0.2, 0.1]))
        zone = _draw_zone(rng, region) if number else "UTC"
        policies.append(_policy(vault_id, vault, "Daily", option, zone, (), weight, retention, enhanced=enhanced))
    for number in range(num_weekly):
        day = (6, 5)[number]
        option = parse_start("23:00") if rng.random() < 0.5 else _draw_time(rng)
        zone = _draw_zone(rng, region)
        policies.append(_policy(vault_id, vault, "Weekly", option, zone, (day,), 1 / num_weekly, 12, enhanced=False))
    policies.append(_policy(vault_id, vault, "Hourly", parse_start("08:00"), "UTC", (), 1.0, 30, enhanced=True))
    return _with_unique_names(policies)


def _draw_time(rng: Rng) -> int:
    times = [*_FAVOURITES, ""]
    shares = [*_FAVOURITES.values(), 1 - sum(_FAVOURITES.values())]
    text = str(rng.choice(times, p=shares))
    return parse_start(text) if text else int(rng.integers(NUM_OPTIONS))


def _draw_zone(rng: Rng, region: int) -> str:
    return "UTC" if rng.random() < _UTC_SHARE else REGIONS[region][3]


def _policy(
    vault_id: str,
    vault: int,
    frequency: str,
    option: int,
    zone: str,
    days: tuple[int, ...],
    weight: float,
    retention: int,
    *,
    enhanced: bool,
) -> DemoPolicy:
    time = f"2024-01-01T{format_start(option)}:00Z"
    unit = "Weeks" if frequency == "Weekly" else "Days"
    names = [WEEKDAYS[day] for day in days]
    schedule: dict[str, Any] = {"scheduleRunTimes": [time]} | ({"scheduleRunDays": names} if days else {})
    if frequency == "Hourly":
        schedule = {"interval": 4, "scheduleWindowDuration": 12, "scheduleWindowStartTime": time}
    kept: dict[str, Any] = {
        "retentionTimes": [time],
        "retentionDuration": {"count": retention, "durationType": unit},
    } | ({"daysOfTheWeek": names} if days else {})
    nested = {f"{frequency.lower()}Schedule": schedule} if enhanced else schedule
    suffix = "".join(names)[:3].lower() + format_start(option).replace(":", "")
    name = f"pol-{frequency.lower()}-{suffix}-{retention}{unit[0].lower()}" + ("-enh" if enhanced else "")
    resource = {
        "id": f"{vault_id}/backupPolicies/{name}",
        "name": name,
        "type": "Microsoft.RecoveryServices/vaults/backupPolicies",
        "properties": {
            "backupManagementType": "AzureIaasVM",
            "policyType": "V2" if enhanced else "V1",
            "instantRPDetails": {},
            "instantRpRetentionRangeInDays": 7 if enhanced else 5 if days else 2,
            "schedulePolicy": {
                "schedulePolicyType": "SimpleSchedulePolicyV2" if enhanced else "SimpleSchedulePolicy",
                "scheduleRunFrequency": frequency,
                **nested,
            },
            "retentionPolicy": {
                "retentionPolicyType": "LongTermRetentionPolicy",
                ("weeklySchedule" if days else "dailySchedule"): kept,
            },
            "timeZone": zone,
            "protectedItemsCount": 0,
        },
    }
    return DemoPolicy(str(resource["id"]), vault, frequency, option, zone, days, weight, resource)


def _with_unique_names(policies: Sequence[DemoPolicy]) -> list[DemoPolicy]:
    seen: dict[str, int] = {}
    for policy in policies:
        number = seen[policy.id] = seen.get(policy.id, 0) + 1
        if number > 1:
            _rename(policy, f"-{number}")
    return list(policies)


def _rename(policy: DemoPolicy, suffix: str) -> None:
    policy.id += suffix
    policy.resource["id"] = policy.id
    policy.resource["name"] += suffix


def _add_vms(fleet: Fleet, rng: Rng, subscription: str, num_vms: int) -> None:
    """Add services, whose sizes are heavy-tailed, until there are enough VMs."""
    while len(fleet.vms) < num_vms:
        service = fleet.num_services
        fleet.num_services += 1
        cap = max(1, min(_MOST_IN_SERVICE, num_vms // 6))
        size = min(1 + int(2 * rng.pareto(1.2)), cap, num_vms - len(fleet.vms))
        home = int(rng.integers(len(fleet.vaults)))
        same_region = [i for i, region in enumerate(fleet.vault_regions) if region == fleet.vault_regions[home]]
        spans = size > 3 and len(same_region) > 1 and rng.random() < 0.15
        app = _APPS[service % len(_APPS)] + (str(service // len(_APPS) + 1) if service >= len(_APPS) else "")
        env = str(rng.choice(_ENVS, p=_ENV_SHARES))
        tagged = rng.random() < 0.85
        for tier in rng.choice(TIERS, size=size, p=_TIER_SHARES):
            vault = int(rng.choice(same_region)) if spans else home
            _add_vm(fleet, rng, subscription, app, env, str(tier), vault, tagged=tagged)


def _add_vm(
    fleet: Fleet, rng: Rng, subscription: str, app: str, env: str, tier: str, vault: int, *, tagged: bool
) -> None:
    region = fleet.vault_regions[vault]
    location = REGIONS[region][0]
    group = f"/subscriptions/{subscription}/resourceGroups/rg-{app}-{env}/providers/Microsoft.Compute"
    name = f"vm-{app}-{tier}-{len(fleet.vms) + 1:04d}"
    os = "Windows" if rng.random() < 0.55 else "Linux"
    tags = {"env": env, "tier": tier} | ({"app": f"{app}-{env}"} if tagged else {})
    properties: dict[str, Any] = {
        "hardwareProfile": {"vmSize": str(rng.choice(_SIZES))},
        "storageProfile": {"osDisk": {"osType": os}},
        "provisioningState": "Succeeded",
    }
    if env == "prod" and tier in {"web", "app"} and rng.random() < 0.6:
        properties["availabilitySet"] = {"id": f"{group}/availabilitySets/avail-{app}"}
    fleet.vms.append(
        DemoVm(f"{group}/virtualMachines/{name}", name, fleet.num_services - 1, tier, env, os, region, vault)
    )
    fleet.vm_resources.append(
        {
            "id": fleet.vms[-1].id,
            "name": name,
            "type": "Microsoft.Compute/virtualMachines",
            "location": location,
            "tags": tags,
            "properties": properties,
        }
    )


def _assign_policies(fleet: Fleet, rng: Rng) -> None:
    """Give most VMs of a service in a vault the same policy, as people do; some differ in frequency or time."""
    usual: dict[tuple[int, int], DemoPolicy] = {}
    for number, vm in enumerate(fleet.vms):
        draw = rng.random()
        frequency = "Weekly" if draw < _WEEKLY_SHARE else "Hourly" if draw > 1 - _HOURLY_SHARE else "Daily"
        key = (vm.service, vm.vault)
        if frequency != "Daily" or rng.random() < 0.15 or key not in usual:
            policy = _draw_policy(fleet, rng, vm.vault, frequency)
            if frequency == "Daily":
                usual.setdefault(key, policy)
        else:
            policy = usual[key]
        policy = _with_room(fleet, policy)
        policy.vms += 1
        policy.resource["properties"]["protectedItemsCount"] += 1
        fleet.policy_of.append(policy)
        fleet.protected_items.append(_item(vm, policy, fleet.vaults[vm.vault], number, rng))


def _draw_policy(fleet: Fleet, rng: Rng, vault: int, frequency: str) -> DemoPolicy:
    choices = [policy for policy in fleet.policies if policy.vault == vault and policy.frequency == frequency]
    weights = np.array([policy.weight for policy in choices])
    return choices[int(rng.choice(len(choices), p=weights / weights.sum()))]


def _with_room(fleet: Fleet, policy: DemoPolicy) -> DemoPolicy:
    """The policy itself, or a copy of it with room if it is full."""
    original, number = policy, 1
    known = {other.id: other for other in fleet.policies}
    while policy.vms >= _MOST_IN_POLICY:
        number += 1
        following = known.get(f"{original.id}-full{number}")
        if following is None:
            following = _copy_of(original, f"-full{number}")
            fleet.policies.append(following)
        policy = following
    return policy


def _copy_of(policy: DemoPolicy, suffix: str) -> DemoPolicy:
    properties = {**policy.resource["properties"], "protectedItemsCount": 0}
    resource = {**policy.resource, "properties": properties}
    copied = DemoPolicy(
        policy.id, policy.vault, policy.frequency, policy.option, policy.timezone, policy.days, 0.0, resource
    )
    _rename(copied, suffix)
    return copied


def _item(vm: DemoVm, policy: DemoPolicy, vault: Resource, number: int, rng: Rng) -> Resource:
    group = vm.id.split("/")[4]
    name = f"iaasvmcontainerv2;{group};{vm.name}"
    folder = f"{vault['id']}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{name}"
    draw = rng.random()
    # The first VMs are always protected, so that a demo with a handful of VMs does not consist mostly of exceptions.
    state = "Protected" if number < 20 or draw > 0.01 else "ProtectionStopped" if draw < 0.005 else "IRPending"
    stopped = state == "ProtectionStopped"
    if stopped:
        policy.vms -= 1
        policy.resource["properties"]["protectedItemsCount"] -= 1
    return {
        "id": f"{folder}/protectedItems/VM;{name}",
        "name": f"VM;{name}",
        "type": "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems",
        "properties": {
            "friendlyName": vm.name,
            "virtualMachineId": vm.id,
            "protectionStatus": "Healthy",
            "protectionState": state,
            "protectedItemType": "Microsoft.Compute/virtualMachines",
            "backupManagementType": "AzureIaasVM",
            "workloadType": "VM",
            "containerName": name,
            "sourceResourceId": vm.id,
            "policyId": "" if stopped else policy.id,
            "policyName": "" if stopped else str(policy.resource["name"]),
        },
    }
