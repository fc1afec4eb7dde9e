"""Notes about VMs on policies that Azure treats in a special way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate
from optimizer.model.rules import Rules, Threshold
from optimizer.plan.policy_notes import notes_on_policies
from optimizer.ports import Resource
from tests.plan.estates import VAULT, item, standard_policy

AS_OF = datetime(2026, 2, 17, tzinfo=UTC)


def notes(policies: list[Resource], items: list[Resource], rules: Rules | None = None) -> list[str]:
    document = EstateDocument(
        created_at=AS_OF,
        as_of=AS_OF,
        source="azure",
        vaults=({"id": VAULT, "name": "rsv-one"},),
        policies=tuple(policies),
        protected_items=tuple(items),
    )
    return notes_on_policies(Estate(Path("estate"), document).inventory(), rules or Rules())


def agentless(name: str) -> Resource:
    policy = standard_policy(name, "02:00")
    return {**policy, "properties": {**policy["properties"], "snapshotConsistencyType": "OnlyCrashConsistent"}}


def test_vms_on_default_policies_are_reported() -> None:
    """The note has the number of VMs and the policy with its vault; a default policy without VMs has none."""
    policies = [standard_policy("DefaultPolicy", "01:00"), standard_policy("EnhancedPolicy", "01:00")]
    (note,) = notes(policies, [item("a", "DefaultPolicy")])
    assert note.startswith("1 VM on policy 'DefaultPolicy' (vault 'rsv-one'): Azure manages default policies itself")
    (note,) = notes(policies, [item("a", "DefaultPolicy"), item("b", "EnhancedPolicy")])
    assert note.startswith("2 VMs on policies 'DefaultPolicy' (vault 'rsv-one'), 'EnhancedPolicy' (vault 'rsv-one'):")
    assert notes(policies, []) == []


def test_vms_without_load_risk_are_reported() -> None:
    """A note tells how many VMs have agentless snapshots, unless their risk counts."""
    names = [f"crash-{number}" for number in range(5)]
    items = [item(f"vm-{name}", name) for name in names]
    (note,) = notes([agentless(name) for name in names], items)
    assert note.startswith("5 VMs on policies 'crash-0'")
    assert "and 2 more policies: agentless snapshots do not depend on the guest" in note
    assert notes([agentless(name) for name in names], items, Rules(threshold=Threshold(agentless=True))) == []
