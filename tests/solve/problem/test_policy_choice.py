"""Which policies are edited for a schedule, and where full policies need a detour."""

from __future__ import annotations

import numpy as np

from optimizer.model.policy_limits import vm_limit
from optimizer.model.rules import Rules
from optimizer.solve.problem.policy_choice import PolicyChoice, choose_policies
from tests.solve.examples import inventory, policy

POLICIES = [policy("p", "v", 46), policy("q", "v", 20)]


def chosen(vms: list[tuple[str, str]], options: list[int], most: int = 100) -> PolicyChoice:
    """Policies that are written if VMs of two policies go to other starts."""
    found, rules = inventory(POLICIES, vms), Rules(policies={"max_vms_per_policy": most})
    movable = np.ones(len(vms), dtype=np.bool_)
    return choose_policies(found, rules, vm_limit(rules.policies, found), np.array(options), movable)


def test_a_policy_whose_vms_all_go_to_one_start_is_edited() -> None:
    """Its first VM names it, and no policy is created."""
    assert chosen([("web", "p"), ("web", "p"), ("db", "q")], [10, 10, 20]) == PolicyChoice((0,), ())


def test_vms_that_join_a_policy_with_room_need_no_write() -> None:
    """One of two VMs is assigned to the other policy."""
    assert chosen([("web", "p"), ("web", "p"), ("db", "q")], [46, 20, 20]) == PolicyChoice((), ())


def test_full_policies_that_swap_vms_need_a_detour() -> None:
    """Each is full, so one more policy is created at one of the two starts."""
    vms = [("web", "p"), ("web", "p"), ("db", "q"), ("db", "q")]
    found = chosen(vms, [20, 46, 46, 20], most=2)
    assert found.edited == ()
    ((row, start),) = found.detours
    assert row in range(4)
    assert start in (46, 20)


def test_a_schedule_that_changes_nothing_writes_nothing() -> None:
    """Today's schedule needs no policy."""
    assert chosen([("web", "p"), ("db", "q")], [46, 20]) == PolicyChoice((), ())
