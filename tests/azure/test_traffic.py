"""Kinds of requests, by which a pull reports how many it sent."""

from __future__ import annotations

import pytest

from optimizer.azure.traffic import kind_of


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/providers/Microsoft.ResourceGraph/resources", "resource graph"),
        ("/subscriptions/s/metrics:getBatch", "metrics"),
        ("/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v", "vaults"),
        ("/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v/backupPolicies", "policies"),
        ("/x/vaults/v/backupProtectedItems", "protected items"),
        ("/x/vaults/v/backupJobs", "jobs"),
        ("/x/vaults/v/backupResourceGuardProxies", "vault settings"),
        ("/subscriptions/s/providers/Microsoft.Compute/skus", "vm sizes"),
        ("/v1/workspaces/w/query", "logs"),
        ("/subscriptions/s", "other"),
    ],
)
def test_requests_are_counted_by_kind(path: str, kind: str) -> None:
    """The report says how many requests of each kind a pull took."""
    assert kind_of(f"https://management.azure.com{path}?api-version=1") == kind
