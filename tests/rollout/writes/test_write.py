"""One write to Azure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.model.arm_id import ArmId
from optimizer.rollout.writes.write import vaults_of
from tests.plan.estates import VAULT
from tests.rollout.small_rollouts import SECOND_VAULT, item_write


def test_ids_are_compared_without_regard_to_case() -> None:
    """Every id of a write is found again in whatever capitalization Azure returns it."""
    write = replace(item_write("a", "23:00", "02:00"), vault_id=VAULT.upper(), policy_after="/Policies/P")
    assert write.vault_id == ArmId(VAULT)
    assert {write.policy_after} == {ArmId("/policies/p")}
    assert all(isinstance(vm, ArmId) for vm in write.vms)


@pytest.mark.parametrize(
    ("kind", "counts"),
    [("create_policy", True), ("edit_policy", True), ("delete_policy", False), ("reassign_item", False)],
)
def test_only_created_and_edited_policies_use_the_budget(kind: str, counts: bool) -> None:
    """Neither a deletion nor a reassignment is a policy write."""
    assert replace(item_write("a", "23:00", "02:00"), kind=kind).counts_as_policy_write is counts


def test_vaults_are_listed_once_in_the_order_of_the_writes() -> None:
    """Spelling makes no second vault."""
    first = item_write("a", "23:00", "02:00")
    writes = [replace(first, vault_id=SECOND_VAULT), first, replace(first, vault_id=VAULT.upper())]
    assert vaults_of(writes) == [SECOND_VAULT, VAULT]
