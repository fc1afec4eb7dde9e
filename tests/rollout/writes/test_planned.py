"""Writes of a plan: what is sent, and from which start to which."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.documents import CreatePolicy
from optimizer.errors import PlanFormatError
from optimizer.model.rules import Rules
from optimizer.rollout.writes.planned import writes_of
from tests.plan.estates import policy_id, standard_policy, vm_id
from tests.rollout.small_rollouts import World, world

POLICIES = [standard_policy("nightly", "23:00"), standard_policy("other", "22:00", count=7)]
GIVEN = world(
    POLICIES,
    {"a": "nightly", "b": "nightly", "c": "other"},
    {"a": "02:00", "c": "04:00"},
    Rules(),
)


def test_a_vm_goes_to_a_new_policy_after_its_creation() -> None:
    """The reassignment needs the creation, and carries the starts of both policies."""
    creation, edit, move = sorted(GIVEN.writes(), key=lambda write: write.kind)
    assert (creation.kind, creation.before, creation.vms, creation.start_after) == ("create_policy", None, (), "02:00")
    assert (move.start_before, move.start_after) == ("23:00", "02:00")
    assert (move.policy_before, move.policy_after) == (policy_id("nightly"), creation.object_id)
    assert move.needs == (creation.number,)
    assert move.body["policyId"] == creation.object_id
    assert (edit.kind, edit.vms, edit.start_before, edit.start_after) == (
        "edit_policy",
        (vm_id("c"),),
        "22:00",
        "04:00",
    )


def test_starts_come_from_the_policies_and_not_from_the_schedule() -> None:
    """A start that somebody edited in the schedule of the plan changes no write."""
    plan = GIVEN.plan()
    entries = tuple(entry.model_copy(update={"start": "12:00", "start_today": "13:00"}) for entry in plan.schedule)
    edited = plan.model_copy(update={"schedule": entries})
    assert writes_of(edited, GIVEN.document, GIVEN.inventory) == GIVEN.writes()


def test_a_created_policy_without_a_readable_schedule_is_refused() -> None:
    """The message names the policy."""
    plan = GIVEN.plan()
    odd = standard_policy("odd", "02:10")["properties"]
    broken = tuple(
        change.model_copy(update={"properties": odd}) if isinstance(change, CreatePolicy) else change
        for change in plan.changes
    )
    with pytest.raises(PlanFormatError, match=r"policy '.*' in the plan: .*make the plan again"):
        writes_of(plan.model_copy(update={"changes": broken}), GIVEN.document, GIVEN.inventory)


def test_a_change_of_an_unreadable_policy_is_refused() -> None:
    """A policy whose schedule cannot be read is not in the inventory, so no start is known."""
    policies = {key: policy for key, policy in GIVEN.inventory.policies.items() if key != policy_id("nightly")}
    inventory = replace(GIVEN.inventory, policies=policies, items=())
    with pytest.raises(PlanFormatError, match="policy 'nightly' has no schedule that can be changed"):
        writes_of(GIVEN.plan(), GIVEN.document, inventory)


def test_every_kind_of_world_keeps_the_order_of_its_plan() -> None:
    """Writes are numbered from 1 in the order of the changes."""
    assert isinstance(GIVEN, World)
    assert [write.number for write in GIVEN.writes()] == [1, 2, 3]
    assert [write.kind for write in GIVEN.writes()] == [change.kind for change in GIVEN.plan().changes]
