"""The emulator as the twin of a rehearsal; tests/workflow/test_emulate.py shows it as a cloud for a trial."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from optimizer.azure import AzureCloud
from optimizer.cloud import open_twin
from optimizer.emulator import EmulatorSettings
from optimizer.model.clock import VirtualClock
from optimizer.model.rules import PolicyLimits
from tests.azure.clouds import cloud_document

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("stated", [{}, {"max_policies_per_vault": 500}])
def test_the_twin_is_at_least_as_generous_as_the_rules(stated: dict[str, int]) -> None:
    """Limits that the rules raise are raised in the twin too, and no other limit gets tighter than usual."""
    limits = PolicyLimits(max_vms_per_policy=300, max_writes_per_day=10, **stated)
    document, usual = cloud_document(1, subscriptions=1, vaults=1), EmulatorSettings()
    with open_twin(document, VirtualClock(NOW), limits) as (service, emulator):
        settings = emulator.state.settings
        vault = str(document.vaults[0]["id"])
        names = [policy["name"] for policy in service.list_policies(vault)]  # type: ignore[arg-type]
    assert settings.max_items_per_policy == 300
    assert settings.policy_writes_per_day == usual.policy_writes_per_day
    assert settings.max_policies_per_vault == stated.get("max_policies_per_vault", usual.max_policies_per_vault)
    assert names == [policy["name"] for policy in document.policies]
    assert emulator.requests == {"policies.list": 1}
    assert isinstance(service, type(AzureCloud().service()))
