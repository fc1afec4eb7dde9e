"""The fleet of the demo looks like one that people built."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest

from optimizer.arm.read_inventory import build_inventory
from optimizer.demo.fleet import REGIONS, TIERS, Fleet, build_fleet

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """A fleet of 500 VMs."""
    return build_fleet(np.random.default_rng(1), 500)


def test_equal_generators_make_equal_fleets(fleet: Fleet) -> None:
    """The fleet depends on nothing but the state of the generator."""
    again = build_fleet(np.random.default_rng(1), 500)
    assert again.resources(NOW) == fleet.resources(NOW)
    other = build_fleet(np.random.default_rng(2), 500)
    assert other.vm_resources != fleet.vm_resources


@pytest.mark.parametrize("num_vms", [1, 2, 7, 60])
def test_there_are_as_many_vms_as_asked_for(num_vms: int) -> None:
    """Small fleets have at least three vaults, and every VM has an item and a policy."""
    small = build_fleet(np.random.default_rng(5), num_vms)
    sizes = {len(small.vms), len(small.vm_resources), len(small.protected_items), len(small.policy_of)}
    assert sizes == {num_vms}
    assert len(small.vaults) == 3 and small.vault_regions == [0, 0, 1]


def test_larger_fleets_have_more_vaults() -> None:
    """A vault is added for every 350 VMs."""
    assert len(build_fleet(np.random.default_rng(3), 1401).vaults) == 5


def test_vms_are_described_twice_in_the_same_way(fleet: Fleet) -> None:
    """What the load generator knows of a VM is what its resource says."""
    for vm, resource in zip(fleet.vms, fleet.vm_resources, strict=True):
        assert (resource["id"], resource["name"]) == (vm.id, vm.name)
        assert resource["location"] == REGIONS[vm.region][0] == fleet.vaults[vm.vault]["location"]
        assert resource["tags"]["tier"] == vm.tier and resource["tags"]["env"] == vm.env
        assert resource["properties"]["storageProfile"]["osDisk"]["osType"] == vm.os


def test_availability_sets_are_for_production(fleet: Fleet) -> None:
    """Only production VMs of the tiers web and app are in an availability set, and not all of them."""
    in_sets = [vm for vm, resource in zip(fleet.vms, fleet.vm_resources, strict=True)
               if "availabilitySet" in resource["properties"]]  # fmt: skip
    assert in_sets and all(vm.env == "prod" and vm.tier in {"web", "app"} for vm in in_sets)
    assert len(in_sets) < sum(vm.env == "prod" and vm.tier in {"web", "app"} for vm in fleet.vms)


def test_services_are_heavy_tailed(fleet: Fleet) -> None:
    """Most services are small and a few are large, none above 60; all tiers occur."""
    sizes = Counter(vm.service for vm in fleet.vms)
    assert len(sizes) == fleet.num_services
    assert max(sizes.values()) <= 60 and sorted(sizes.values())[len(sizes) // 2] <= 5
    assert {vm.tier for vm in fleet.vms} == set(TIERS)


def test_the_inventory_has_no_surprise(fleet: Fleet) -> None:
    """Everything can be planned but the items that were stopped or wait for their first backup."""
    inventory = build_inventory(fleet.resources(NOW), ("resource_group",))
    assert inventory.left_out == ()
    states = Counter(item["properties"]["protectionState"] for item in fleet.protected_items)
    assert len(inventory.idle_items) == states["ProtectionStopped"]
    assert sum(bool(item.unwritable) for item in inventory.items) == states["IRPending"]
    assert not any(policy.refused for policy in inventory.policies.values())
    assert all(vault.other_policies == 1 for vault in inventory.vaults.values()), "a database policy in each"


def test_counts_of_policies_are_right(fleet: Fleet) -> None:
    """The count in each policy is the number of its items, and no policy has more than 100."""
    used = Counter(item["properties"]["policyId"] for item in fleet.protected_items)
    for policy in fleet.policies:
        assert policy.vms == policy.resource["properties"]["protectedItemsCount"] == used[policy.id] <= 100


def test_a_full_policy_gets_a_copy() -> None:
    """When a policy has 100 VMs, the next VM goes to a copy of it."""
    fleet = build_fleet(np.random.default_rng(1), 1500)
    copies = [policy for policy in fleet.policies if "-full" in policy.id]
    assert copies and all(policy.weight == 0 for policy in copies)
    originals = {policy.id: policy for policy in fleet.policies}
    for copied in copies:
        original = originals[copied.id.rpartition("-full")[0]]
        assert original.vms > 90 and original.shape == copied.shape


def test_the_first_twenty_vms_are_protected(fleet: Fleet) -> None:
    """A demo with a handful of VMs does not consist mostly of exceptions."""
    states = [item["properties"]["protectionState"] for item in fleet.protected_items[:20]]
    assert states == ["Protected"] * 20


def test_vaults_of_a_region(fleet: Fleet) -> None:
    """The vaults of a region include the vault itself."""
    for vault, region in enumerate(fleet.vault_regions):
        same = fleet.vaults_of_region(vault)
        assert vault in same and {fleet.vault_regions[other] for other in same} == {region}
