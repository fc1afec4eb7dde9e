"""Differences between two estates."""

from __future__ import annotations

from optimizer.model.arm_id import ArmId
from optimizer.model.rules import Rules
from optimizer.rollout.rehearse.differences import compare_estates
from tests.plan.estates import item, policy_id, standard_policy
from tests.rollout.small_rollouts import world

DOCUMENT = world(
    [standard_policy("one", "23:00"), standard_policy("two", "02:00")], {"a": "one"}, {}, Rules()
).document


def test_what_the_service_writes_by_itself_is_no_difference() -> None:
    """Counts, times of backups, and the order of the objects."""
    policies = [standard_policy("two", "02:00", items=9), standard_policy("one", "23:00", items=9)]
    now = DOCUMENT.model_copy(
        update={"policies": tuple(policies), "protected_items": (item("a", "one", lastBackupTime="2026-02-18"),)}
    )
    assert compare_estates(DOCUMENT, now) == ()


def test_every_difference_names_its_object() -> None:
    """Changed, gone and additional objects; additional policies may be allowed."""
    new = standard_policy("new", "04:00")
    now = DOCUMENT.model_copy(
        update={"policies": (standard_policy("one", "22:30"), new), "protected_items": (item("a", "two"),)}
    )
    found = compare_estates(DOCUMENT, now)
    assert found == (
        f"item {item('a', 'one')['id']} differs",
        f"policy {policy_id('new')} is too much",
        f"policy {policy_id('one')} differs",
        f"policy {policy_id('two')} is gone",
    )
    assert len(compare_estates(DOCUMENT, now, besides={ArmId(new["id"])})) == 3
