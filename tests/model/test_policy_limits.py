"""Maximum number of VMs in one policy: what the rules say, or what the estate shows to be possible."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.model.inventory import Inventory
from optimizer.model.policy_limits import MOST_POLICY_VMS, NEW_POLICY_VMS, VmLimit, vm_limit
from optimizer.model.rules import PolicyLimits
from tests.solve.examples import inventory, policy


def estate(num_vms: int, reported: int | None = None) -> Inventory:
    """One policy with this many VMs; Azure may report more."""
    made = replace(policy("p", "v", 0), items_reported=reported)
    return inventory([made], [("a", "p")] * num_vms)


@pytest.mark.parametrize(
    ("num_vms", "reported", "existing"),
    [(3, None, 100), (100, None, 100), (130, None, 130), (3, 400, 400), (3, 5000, 1000)],
)
def test_existing_policies_hold_what_the_largest_one_does(num_vms: int, reported: int | None, existing: int) -> None:
    """At least 100 and at most 1,000; VMs that only Azure counted count too. New policies hold 100."""
    assert vm_limit(PolicyLimits(), estate(num_vms, reported)) == VmLimit(100, existing)


def test_the_rules_go_before_the_estate() -> None:
    """A stated limit holds for new and existing policies, even below what the estate has."""
    assert vm_limit(PolicyLimits(max_vms_per_policy=20), estate(130)) == VmLimit(20, 20)


def test_the_largest_policy_of_any_known_state_counts() -> None:
    """For a rollback, the state that it leads back to was possible as well; a state that is not known is skipped."""
    assert vm_limit(PolicyLimits(), estate(3), None, estate(150)) == VmLimit(100, 150)
    assert vm_limit(PolicyLimits()) == vm_limit(PolicyLimits(), None) == VmLimit(NEW_POLICY_VMS, NEW_POLICY_VMS)
    assert MOST_POLICY_VMS == 1000
