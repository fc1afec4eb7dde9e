"""Checks of a VM's protected item and policy, compared with the plan."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.model.arm_id import ArmId
from optimizer.rollout.watch.item_checks import check_item, check_policy
from tests.plan.estates import item, policy_id, standard_policy
from tests.rollout.watch.small_watch import VM

NEW = ArmId(policy_id("new"))


def test_an_item_under_the_planned_policy_is_fine() -> None:
    """Whatever the spelling of the id."""
    assert check_item(VM, item("app", "new", policyId=policy_id("new").upper())) == []


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"policyId": ""}, ["not_protected"]),
        ({"policyId": policy_id("old")}, ["other_policy"]),
        ({"extendedInfo": {"policyInconsistent": True}}, ["inconsistent"]),
        ({"protectionState": "ProtectionStopped"}, ["state"]),
        ({"isScheduledForDeferredDelete": True}, ["state"]),
        ({"policyId": policy_id("old"), "protectionState": "IRPending"}, ["other_policy", "state"]),
    ],
)
def test_every_difference_is_a_finding(changes: dict[str, Any], kinds: list[str]) -> None:
    """Each with its own kind; several at once."""
    assert [finding.kind for finding in check_item(VM, item("app", "new", **changes))] == kinds


def test_an_item_that_is_gone_is_not_protected() -> None:
    """There is nothing else to check."""
    (finding,) = check_item(VM, None)
    assert (finding.kind, finding.what) == ("not_protected", "the VM is no longer protected in this vault")


def test_a_policy_must_exist_and_start_as_planned() -> None:
    """Gone, unreadable and edited are three findings; the last offers the command that shows the policy."""
    assert check_policy(VM, {NEW: standard_policy("new", "03:00")}) == []
    (gone,) = check_policy(VM, {})
    (odd,) = check_policy(VM, {NEW: {"properties": {"schedulePolicy": "none"}}})
    (edited,) = check_policy(VM, {NEW: standard_policy("new", "04:30")})
    assert gone.what == "policy new is not in the vault"
    assert odd.what == "policy new has no schedule that can be read"
    assert edited.what == "policy new is set to 04:30, the plan says 03:00"
    assert edited.command == VM.show_policy()
