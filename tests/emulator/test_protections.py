"""Protections of a vault: locks, immutability and Resource Guard."""

from __future__ import annotations

import pytest

from optimizer.emulator.protections import POLICY_WRITE, check_guard, check_locks, lock_scope
from optimizer.emulator.refusal import Refusal
from tests.emulator.cloud import (
    VAULT,
    assign,
    estate,
    item_id,
    properties_of,
    refused_assignment,
    state_of,
    vault,
)
from tests.plan.estates import policy_id, standard_policy

GUARD = {
    "id": f"{VAULT}/backupResourceGuardProxies/VaultProxy",
    "name": "VaultProxy",
    "type": "Microsoft.RecoveryServices/vaults/backupResourceGuardProxies",
    "properties": {
        "resourceGuardOperationDetails": [
            {
                "vaultCriticalOperation": (
                    "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/write"
                ),
                "defaultResourceRequest": "/guards/g1/updateProtectedItemRequests/default",
            },
            {
                "vaultCriticalOperation": "Microsoft.RecoveryServices/vaults/backupPolicies/write",
                "defaultResourceRequest": "/guards/g1/updateProtectionPolicyRequests/default",
            },
        ]
    },
}


def test_shorter_retention_is_refused_in_an_immutable_vault() -> None:
    """An item of an immutable vault cannot go to a policy that keeps less, and can go to a twin."""
    locked = vault(securitySettings={"immutabilitySettings": {"state": "Locked"}})
    state = state_of(estate(vaults=[locked]))
    assert refused_assignment(state, "vm-1", "daily-short").code == "UserErrorOperationDeniedOnImmutableItem"
    assign(state, "vm-1", "daily-2200")


@pytest.mark.parametrize(("asks", "twin", "shorter"), [("never", 0, 0), ("retention", 0, 1), ("always", 1, 1)])
def test_a_guarded_vault_asks_for_its_request(asks: str, twin: int, shorter: int) -> None:
    """As set, the guard asks never, where retention shrinks, or always; with its request all is taken."""
    request = ["/guards/G1/updateProtectedItemRequests/default"]
    for policy, asked in (("daily-2200", twin), ("daily-short", shorter)):
        state = state_of(estate(settings=[GUARD]), guard_asks=asks)
        if asked:
            assert "Operation requestid is either null or empty" in refused_assignment(state, "vm-1", policy).message
            assert (
                refused_assignment(state, "vm-1", policy, resourceGuardOperationRequests=["/guards/g9/x"]).status
                == 400
            )
        assign(state, "vm-1", policy, **({"resourceGuardOperationRequests": request} if asked else {}))
        assert "resourceGuardOperationRequests" not in state.contents.items[item_id("vm-1").lower()]["properties"]


def test_a_guard_asks_for_policies_too() -> None:
    """A guarded vault that always asks refuses a policy without a request."""
    state = state_of(estate(settings=[GUARD]), guard_asks="always")
    body = {"properties": properties_of("new-policy", "21:00")}
    with pytest.raises(Refusal, match="ResourceGuard Operation requestid"):
        state.put_policy(policy_id("new-policy"), body)


def test_locks_stop_writes_below_them() -> None:
    """A read-only lock on the resource group refuses every write with ScopeLocked, a delete lock only deletions."""
    scope = VAULT.partition("/providers/")[0]
    lock = {"id": f"{scope}/providers/Microsoft.Authorization/locks/l1", "type": "Microsoft.Authorization/locks"}
    state = state_of(estate(settings=[{**lock, "properties": {"level": "ReadOnly"}}]))
    refusal = refused_assignment(state, "vm-1", "daily-2200")
    assert (refusal.status, refusal.code) == (409, "ScopeLocked")
    state = state_of(estate(settings=[{**lock, "properties": {"level": "CanNotDelete"}}]))
    assign(state, "vm-1", "daily-2200")
    with pytest.raises(Refusal, match="ScopeLocked"):
        state.delete_policy(policy_id("daily-short"))


def test_immutability_forbids_less_retention_and_nothing_else() -> None:
    """In an immutable vault the time of a policy can be changed, and its retention only grow."""
    locked = vault(securitySettings={"immutabilitySettings": {"state": "Unlocked"}})
    state = state_of(estate(policies=[standard_policy("p-1", "20:00")], items=[], vaults=[locked]))
    state.put_policy(policy_id("p-1"), {"properties": properties_of("p-1", "21:00")})
    state.put_policy(policy_id("p-1"), {"properties": properties_of("p-1", "21:00", count=60)})
    with pytest.raises(Refusal, match="UserErrorOperationDeniedOnImmutableItem"):
        state.put_policy(policy_id("p-1"), {"properties": properties_of("p-1", "21:00")})


def test_a_lock_covers_what_is_below_its_scope() -> None:
    """The scope of a lock is the part of its id before the provider; other resources have none."""
    lock = {"id": f"{VAULT}/providers/Microsoft.Authorization/locks/keep", "properties": {"level": "ReadOnly"}}
    assert lock_scope(lock) == VAULT.lower()
    assert lock_scope({"id": VAULT}) == ""
    with pytest.raises(Refusal, match="cannot perform delete operation"):
        check_locks([lock], policy_id("p"), "DELETE")
    check_locks([lock], policy_id("p", VAULT + "2"), "DELETE")
    check_locks([{**lock, "properties": {"level": "CanNotDelete"}}], policy_id("p"), "PUT")


def test_a_guard_without_details_asks_for_any_request() -> None:
    """If the guard names no request for the action, one that is sent is enough; without a guard, none is needed."""
    check_guard([], POLICY_WRITE, {})
    for proxy in ({"properties": {}}, {"properties": {"resourceGuardOperationDetails": [None, {}]}}):
        check_guard([proxy], POLICY_WRITE, {"resourceGuardOperationRequests": ["/any"]})
        with pytest.raises(Refusal, match="ResourceGuardOperationRequestEmpty"):
            check_guard([proxy], POLICY_WRITE, {"resourceGuardOperationRequests": None})
