"""Protections of a vault against changes that matter to a change of backup times."""

from __future__ import annotations

from optimizer.rollout.prepare.protections import advice_on_refusal, read_protection
from tests.plan.estates import VAULT


def test_guards_of_a_vault_are_read() -> None:
    """Immutability, a read-only lock, a Resource Guard and tags of code are found and explained."""
    settings = [
        {
            "id": VAULT,
            "type": "Microsoft.RecoveryServices/vaults",
            "tags": {"managed-by": "terraform"},
            "properties": {"securitySettings": {"immutabilitySettings": {"state": "Locked"}}},
        },
        {
            "id": VAULT + "/l",
            "type": "Microsoft.Authorization/locks",
            "name": "keep",
            "properties": {"level": "ReadOnly"},
        },
        {
            "id": VAULT + "/g",
            "type": "Microsoft.RecoveryServices/vaults/backupResourceGuardProxies",
            "properties": {
                "resourceGuardOperationDetails": [
                    {
                        "vaultCriticalOperation": "Microsoft.RecoveryServices/vaults/backupPolicies/write",
                        "defaultResourceRequest": "/guard/request",
                    }
                ]
            },
        },
    ]
    found = read_protection(settings)
    assert found.immutability == "Locked"
    assert found.read_only_lock == "keep"
    assert found.guard_requests == {"policy": ("/guard/request",)}
    text = " ".join(found.remarks("rsv-one"))
    for word in ("keep", "immutable", "Backup MUA Operator", "terraform"):
        assert word in text
    assert read_protection([]).remarks("v") == []


def test_what_does_not_matter_to_times_is_no_protection() -> None:
    """A lock against deletion, tags of people, and operations that this program does not use."""
    detail = {"vaultCriticalOperation": "Microsoft.RecoveryServices/vaults/delete", "defaultResourceRequest": "/x"}
    settings = [
        {"type": "Microsoft.RecoveryServices/vaults", "tags": {"owner": "team a"}, "properties": {}},
        {"type": "Microsoft.Authorization/locks", "name": "keep", "properties": {"level": "CanNotDelete"}},
        {
            "type": "Microsoft.RecoveryServices/vaults/backupResourceGuardProxies",
            "properties": {"resourceGuardOperationDetails": [detail]},
        },
    ]
    assert read_protection(settings) == read_protection([])


def test_a_refusal_by_a_guard_is_explained() -> None:
    """Whatever the capitals of the code; other codes get no advice."""
    assert "--guard-request" in advice_on_refusal("UserErrorResourceGuardDenied")
    assert advice_on_refusal("UserErrorBusy") == ""
