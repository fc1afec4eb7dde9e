"""Generates a realistic fleet as ARM resources: services, VMs, vaults and policies as people set them up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

from optimizer.arm import ArmResources
from optimizer.demo.demo_policy import DemoPolicy, PolicyShape, make_names_unique
from optimizer.model.timegrid import NUM_OPTIONS, parse_start
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
_FAVORITES = {"02:00": 0.33, "01:00": 0.1, "00:00": 0.08, "03:00": 0.08, "20:00": 0.06, "21:00": 0.06, "22:30": 0.06}
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

    def resources(self, as_of: datetime) -> ArmResources:
        """ARM resources of the fleet at ``as_of``."""
        return ArmResources(
            as_of=as_of,
            source="demo",
            vaults=self.vaults,
            policies=[policy.resource for policy in self.policies] + self.other_policies,
            protected_items=self.protected_items,
            vms=self.vm_resources,
        )

    def vaults_of_region(self, vault: int) -> list[int]:
        """Vaults in the region of a vault, which is one of them."""
        return [index for index, region in enumerate(self.vault_regions) if region == self.vault_regions[vault]]


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
        vault = _vault(subscription, index, region)
        fleet.vault_regions.append(region)
        fleet.vaults.append(vault)
        fleet.other_policies.append(_sql_policy(vault["id"]))
        fleet.policies += _vault_policies(rng, vault["id"], index, region)


def _vault(subscription: str, index: int, region: int) -> Resource:
    location, short, _, _ = REGIONS[region]
    name = f"rsv-backup-{short}-{index + 1:03d}"
    group = f"/subscriptions/{subscription}/resourceGroups/rg-backup-{short}"
    return {
        "id": f"{group}/providers/Microsoft.RecoveryServices/vaults/{name}",
        "name": name,
        "type": "Microsoft.RecoveryServices/vaults",
        "location": location,
        "sku": {"name": "RS0", "tier": "Standard"},
        "properties": {"provisioningState": "Succeeded"},
    }


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
    shapes = [(PolicyShape("Daily", parse_start("23:00"), "UTC", _draw_retention(rng)), _AT_23)]
    shapes += [(_draw_daily(rng, region), (1 - _AT_23) / (num_daily - 1)) for _ in range(1, num_daily)]
    shapes += [(_draw_weekly(rng, region, day), 1 / num_weekly) for day in (6, 5)[:num_weekly]]
    shapes.append((PolicyShape("Hourly", parse_start("08:00"), "UTC", 30, enhanced=True), 1.0))
    policies = [DemoPolicy(shape, vault, weight, shape.resource_in(vault_id)) for shape, weight in shapes]
    make_names_unique(policies)
    return policies


def _draw_retention(rng: Rng) -> int:
    return int(rng.choice([30, 7, 10], p=[0.7, 0.2, 0.1]))


def _draw_daily(rng: Rng, region: int) -> PolicyShape:
    option = _draw_time(rng)
    enhanced = bool(rng.random() < _ENHANCED_SHARE * 3)
    retention = _draw_retention(rng)
    return PolicyShape("Daily", option, _draw_zone(rng, region), retention, enhanced=enhanced)


def _draw_weekly(rng: Rng, region: int, day: int) -> PolicyShape:
    option = parse_start("23:00") if rng.random() < 0.5 else _draw_time(rng)
    return PolicyShape("Weekly", option, _draw_zone(rng, region), 12, (day,))


def _draw_time(rng: Rng) -> int:
    times = [*_FAVORITES, ""]
    shares = [*_FAVORITES.values(), 1 - sum(_FAVORITES.values())]
    text = str(rng.choice(times, p=shares))
    return parse_start(text) if text else int(rng.integers(NUM_OPTIONS))


def _draw_zone(rng: Rng, region: int) -> str:
    return "UTC" if rng.random() < _UTC_SHARE else REGIONS[region][3]


@dataclass(frozen=True)
class _Application:
    """A service of the demo: an application in one environment."""

    number: int
    name: str
    env: str
    tagged: bool

    @classmethod
    def draw(cls, rng: Rng, number: int) -> _Application:
        """Draw the environment, and whether the VMs have the tag ``app``; names repeat with a number."""
        again = number // len(_APPS)
        name = _APPS[number % len(_APPS)] + (str(again + 1) if again else "")
        return cls(number, name, str(rng.choice(_ENVS, p=_ENV_SHARES)), bool(rng.random() < 0.85))

    def tags(self, tier: str) -> dict[str, str]:
        """Tags of a VM."""
        return {"env": self.env, "tier": tier} | ({"app": f"{self.name}-{self.env}"} if self.tagged else {})

    def in_sets(self, tier: str) -> bool:
        """Whether VMs of a tier may be in an availability set."""
        return self.env == "prod" and tier in {"web", "app"}


def _add_vms(fleet: Fleet, rng: Rng, subscription: str, num_vms: int) -> None:
    """Add services, whose sizes are heavy-tailed, until there are enough VMs."""
    largest = max(1, min(_MOST_IN_SERVICE, num_vms // 6))
    while len(fleet.vms) < num_vms:
        size = min(1 + int(2 * rng.pareto(1.2)), largest, num_vms - len(fleet.vms))
        home = int(rng.integers(len(fleet.vaults)))
        same_region = fleet.vaults_of_region(home)
        spans = size > 3 and len(same_region) > 1 and rng.random() < 0.15
        app = _Application.draw(rng, fleet.num_services)
        fleet.num_services += 1
        for tier in rng.choice(TIERS, size=size, p=_TIER_SHARES):
            vault = int(rng.choice(same_region)) if spans else home
            _add_vm(fleet, rng, subscription, app, str(tier), vault)


def _add_vm(fleet: Fleet, rng: Rng, subscription: str, app: _Application, tier: str, vault: int) -> None:
    region = fleet.vault_regions[vault]
    folder = f"/subscriptions/{subscription}/resourceGroups/rg-{app.name}-{app.env}/providers/Microsoft.Compute"
    name = f"vm-{app.name}-{tier}-{len(fleet.vms) + 1:04d}"
    os = "Windows" if rng.random() < 0.55 else "Linux"
    properties: dict[str, Any] = {
        "hardwareProfile": {"vmSize": str(rng.choice(_SIZES))},
        "storageProfile": {"osDisk": {"osType": os}},
        "provisioningState": "Succeeded",
    }
    if app.in_sets(tier) and rng.random() < 0.6:
        properties["availabilitySet"] = {"id": f"{folder}/availabilitySets/avail-{app.name}"}
    vm_id = f"{folder}/virtualMachines/{name}"
    fleet.vms.append(DemoVm(vm_id, name, app.number, tier, app.env, os, region, vault))
    fleet.vm_resources.append(
        {
            "id": vm_id,
            "name": name,
            "type": "Microsoft.Compute/virtualMachines",
            "location": REGIONS[region][0],
            "tags": app.tags(tier),
            "properties": properties,
        }
    )


def _assign_policies(fleet: Fleet, rng: Rng) -> None:
    """Give most VMs of a service in a vault the same policy, as people do; some differ in frequency or time."""
    usual: dict[tuple[int, int], DemoPolicy] = {}
    for number, vm in enumerate(fleet.vms):
        policy = _with_room(fleet, _choose_policy(fleet, rng, vm, usual))
        state = _draw_state(rng, number)
        if state != "ProtectionStopped":
            policy.add_vms(1)
        fleet.policy_of.append(policy)
        fleet.protected_items.append(_item(vm, policy, fleet.vaults[vm.vault], state))


def _choose_policy(fleet: Fleet, rng: Rng, vm: DemoVm, usual: dict[tuple[int, int], DemoPolicy]) -> DemoPolicy:
    """Draw the policy of a VM; the first daily policy of a service in a vault becomes its usual one."""
    frequency = _draw_frequency(rng)
    if frequency != "Daily":
        return _draw_policy(fleet, rng, vm.vault, frequency)
    differs, key = rng.random() < 0.15, (vm.service, vm.vault)
    if not differs and key in usual:
        return usual[key]
    policy = _draw_policy(fleet, rng, vm.vault, frequency)
    usual.setdefault(key, policy)
    return policy


def _draw_frequency(rng: Rng) -> str:
    draw = rng.random()
    if draw < _WEEKLY_SHARE:
        return "Weekly"
    return "Hourly" if draw > 1 - _HOURLY_SHARE else "Daily"


def _draw_policy(fleet: Fleet, rng: Rng, vault: int, frequency: str) -> DemoPolicy:
    choices = [policy for policy in fleet.policies if policy.vault == vault and policy.shape.frequency == frequency]
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
            following = original.copy(f"-full{number}")
            fleet.policies.append(following)
        policy = following
    return policy


def _draw_state(rng: Rng, number: int) -> str:
    """Protection state of the VM at a position.

    The first VMs are always protected, so that a demo with a handful of VMs does not consist mostly of exceptions.
    """
    draw = rng.random()
    if number < 20 or draw > 0.01:
        return "Protected"
    return "ProtectionStopped" if draw < 0.005 else "IRPending"


def _item(vm: DemoVm, policy: DemoPolicy, vault: Resource, state: str) -> Resource:
    group = vm.id.split("/")[4]
    name = f"iaasvmcontainerv2;{group};{vm.name}"
    folder = f"{vault['id']}/backupFabrics/Azure/protectionContainers/IaasVMContainer;{name}"
    stopped = state == "ProtectionStopped"
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
