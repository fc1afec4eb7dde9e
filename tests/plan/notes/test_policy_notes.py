"""Notes about VMs on policies that Azure treats in a special way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from optimizer.documents.plan_document import ReassignItem
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate
from optimizer.model.rules import Rules, Threshold
from optimizer.plan.notes.policy_notes import notes_on_emptied, notes_on_policies
from optimizer.ports import Resource
from tests.plan.estates import VAULT, item, standard_policy
from tests.plan.planned import Planned

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


def moved(vm: str, policy_today: str, policy: str) -> ReassignItem:
    ids = {name: str(standard_policy(name, "01:00")["id"]) for name in (policy_today, policy)}
    return ReassignItem(
        vault_id=VAULT,
        item_id=str(item(vm, policy_today)["id"]),
        vm=vm,
        policy_today=policy_today,
        policy_today_id=ids[policy_today],
        policy=policy,
        policy_id=ids[policy].upper(),
    )


def test_policies_that_a_plan_empties_are_named(imported: Planned) -> None:
    """A policy that all its VMs leave is named with what to do; not one with a VM left, or to which another goes."""
    items = [item("a", "left"), item("b", "left"), item("c", "kept"), item("d", "kept"), item("e", "swapped")]
    document = imported.estate.document.model_copy(update={"protected_items": tuple(items)})

    def emptied(*changes: ReassignItem) -> list[str]:
        return notes_on_emptied(imported.plan.model_copy(update={"changes": changes}), document)

    assert emptied() == emptied(moved("a", "left", "new"), moved("c", "kept", "new")) == []
    assert emptied(moved("e", "swapped", "new"), moved("c", "kept", "swapped")) == []
    (note,) = emptied(moved("a", "left", "new"), moved("b", "left", "new"), moved("c", "kept", "new"))
    assert note.startswith("1 policy has no VM left after this plan: left. A plan never deletes a policy")
    assert note.endswith("delete it in the portal, or keep it for later plans")
    (note,) = emptied(moved("a", "left", "x"), moved("b", "left", "x"), moved("e", "swapped", "x"))
    assert note.startswith("2 policies have no VM left after this plan: left, swapped. ")


def test_a_plan_names_what_it_empties(imported: Planned, arm: Planned) -> None:
    """Of whole plans, exactly the policies are named that some VM uses today and none in the plan's schedule."""
    for made in (imported, arm):
        today = {entry.policy_today for entry in made.plan.schedule}
        left = sorted(today - {entry.policy for entry in made.plan.schedule})
        told = [note for note in made.plan.notes if "no VM left after this plan" in note]
        assert len(told) == (1 if left else 0)
        assert not left or f": {', '.join(left[:3])}" in told[0]
