"""Notes on policy writes."""

from __future__ import annotations

import pytest

from optimizer.documents import Change, CreatePolicy, ReassignItem
from optimizer.model.rules import PolicyLimits
from optimizer.plan.notes.write_notes import notes_on_days, notes_on_detours
from tests.plan.three_vms import the_case
from tests.whatif.small import A, B, vm_id


def create(vault: str, name: str) -> Change:
    return CreatePolicy(
        vault_id=vault, policy=name, policy_id=f"{vault}/backupPolicies/{name}", twin_of="nightly", start="02:00",
        properties={},
    )  # fmt: skip


REASSIGN = ReassignItem(
    vault_id=A, item_id=f"{A}/protectedItems/web-1", vm=vm_id("web-1"), policy_today="nightly",
    policy_today_id=f"{A}/backupPolicies/nightly", policy="n-1", policy_id=f"{A}/backupPolicies/n-1",
)  # fmt: skip
CHANGES = [create(A, "n-1"), create(A, "n-2"), create(A, "n-3"), create(B, "n-4"), REASSIGN]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_writes_per_day": 3}, []),
        ({"max_writes_per_day": 2}, ["the policy writes take at least 2 days, at 2 per day and vault"]),
        (
            {"max_writes_per_day": 3, "scope": "subscription"},
            ["the policy writes take at least 2 days, at 3 per day and subscription"],
        ),
    ],
)
def test_days_are_those_of_the_place_with_the_most_writes(limits: dict[str, object], expected: list[str]) -> None:
    """Three writes in vault A and one in B are four in their subscription; a reassignment is no policy write."""
    inventory, allowed = the_case().inventory, PolicyLimits.model_validate({"scope": "vault", **limits})
    assert list(notes_on_days(inventory, allowed, CHANGES)) == expected
    assert list(notes_on_days(inventory, allowed, [])) == []


def test_policies_that_only_make_room_are_counted() -> None:
    """One and several have the right number of words."""
    assert list(notes_on_detours(0)) == []
    assert next(iter(notes_on_detours(1))).startswith("1 extra policy is created so that full policies can swap VMs")
    assert next(iter(notes_on_detours(2))).startswith("2 extra policies are created")
