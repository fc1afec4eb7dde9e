"""A plan with its path and its estate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.errors import PlanFormatError
from tests.rollout.prepare.small_runs import READY

CASE = READY.case


def test_a_plan_that_agrees_with_its_estate_has_a_baseline_and_writes() -> None:
    """The state is that of the estate, and nothing but its own breaches is tolerated."""
    baseline, writes = CASE.checked()
    assert writes == READY.writes
    assert baseline.tolerated is None
    assert len(baseline.inventory.items) == 7


def test_a_plan_that_contradicts_its_estate_is_refused() -> None:
    """The fingerprint of the plan covers its changes."""
    changed = CASE.plan.model_copy(update={"changes": CASE.plan.changes[:-1]})
    with pytest.raises(PlanFormatError):
        replace(CASE, plan=changed).checked()


def test_a_rollback_begins_after_the_made_writes_and_leads_back() -> None:
    """Every VM that was moved is at its new start, and the old state is tolerated."""
    before, writes = CASE.checked()
    after = CASE.baseline_after([write.number for write in writes], before)
    moved = {vm for write in writes for vm in write.vms}
    starts = {item.vm_id: after.inventory.policy(item).start for item in after.inventory.items}
    old = {item.vm_id: before.inventory.policy(item).start for item in before.inventory.items}
    assert {vm for vm in starts if starts[vm] != old[vm]} == moved
    assert after.tolerated is before.inventory
    assert CASE.after([]) == CASE.document
    assert len(CASE.moved_vms()) == 2
