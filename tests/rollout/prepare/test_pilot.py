"""Pilot of a roll-out."""

from __future__ import annotations

import pytest

from optimizer.errors import ApplyError
from optimizer.model.arm_id import ArmId
from optimizer.model.rules import PolicyLimits, Rules
from optimizer.rollout.prepare.pilot import choose_pilot, limits_with_pilot
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.prepare.selection import Selection
from optimizer.rollout.writes.baseline import Baseline
from tests.plan.estates import standard_policy, vm_id
from tests.rollout.small_rollouts import World, world


def many() -> World:
    """Eight VMs of two services, one by one to another start."""
    vms = [f"vm{n}" for n in range(8)]
    services = {vm: "shop" if n < 6 else "data" for n, vm in enumerate(vms)}
    policies = [standard_policy("one", "23:00"), standard_policy("two", "02:00")]
    targets = dict.fromkeys(vms, "02:00")
    return world(policies, {**dict.fromkeys(vms, "one"), "z": "one"}, targets, Rules(), **services)


GIVEN = many()
BASELINE = Baseline(GIVEN.inventory, GIVEN.rules)


def names(pilot: frozenset[ArmId]) -> set[str]:
    return {vm.name for vm in pilot}


def test_services_take_turns() -> None:
    """A quarter of eight VMs is one of each service; half of them is two of each."""
    assert names(choose_pilot(GIVEN.writes(), BASELINE, 25)) == {"vm0", "vm6"}
    assert names(choose_pilot(GIVEN.writes(), BASELINE, 50)) == {"vm0", "vm1", "vm6", "vm7"}


def test_a_pilot_has_at_least_one_vm_and_earlier_moves_do_not_count() -> None:
    """One percent of eight VMs is less than one; what was moved outside of the selection is left out."""
    assert names(choose_pilot(GIVEN.writes(), BASELINE, 1)) == {"vm6"}
    (first,) = (write for write in GIVEN.writes() if write.name == "vm6")
    assert names(choose_pilot(GIVEN.writes(), BASELINE, 1, earlier={first.number})) == {"vm7"}
    assert choose_pilot([], BASELINE, 50) == frozenset()


def test_a_pilot_that_needs_others_is_chosen_without_them() -> None:
    """VM a waits for the place of b, so b goes first; where all VMs move at once, a smaller share is refused."""
    policies = [standard_policy("one", "23:00"), standard_policy("two", "22:00"), standard_policy("far", "12:00")]
    limits = PolicyLimits(edit=False, max_vms_per_policy=1, max_policies_per_vault=3)
    chain = world(policies, {"a": "one", "b": "two"}, {"a": "22:00", "b": "12:00"}, Rules(policies=limits))
    assert names(choose_pilot(chain.writes(), Baseline(chain.inventory, chain.rules), 50)) == {"b"}
    whole = world([standard_policy("one", "23:00")], {"a": "one", "b": "one"}, {"a": "02:00", "b": "02:00"}, Rules())
    with pytest.raises(ApplyError, match=r"--wave 50 is too small: .* has 2 of the 2 VMs; leave out --wave"):
        choose_pilot(whole.writes(), Baseline(whole.inventory, whole.rules), 50)


def test_the_limits_of_a_roll_out_come_from_its_scope() -> None:
    """Without a wave, there is no pilot."""
    selection = Selection(GIVEN.writes())
    assert limits_with_pilot(selection, BASELINE, RunScope(workers=2)).pilot == frozenset()
    limits = limits_with_pilot(selection, BASELINE, RunScope(wave_percent=1, workers=2))
    assert (limits.workers, limits.pilot) == (2, {ArmId(vm_id("vm6"))})
