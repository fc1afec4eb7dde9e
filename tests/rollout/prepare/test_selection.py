"""Part of a plan: selectors, the best moves first, a pilot."""

from __future__ import annotations

import pytest

from optimizer.errors import ApplyError
from optimizer.rollout.prepare.selection import select_writes
from optimizer.rollout.prepare.vm_filter import parse_filter
from tests.rollout.conftest import Ready


def test_all_is_chosen_where_nothing_is_said(planned: Ready) -> None:
    """Without selectors every write is chosen."""
    assert select_writes(planned.writes, planned.plan, planned.baseline).writes == planned.writes


def test_one_vm_brings_the_policy_that_it_needs(planned: Ready) -> None:
    """Selecting a VM that goes to a new policy selects its reassignment and that policy's creation, nothing else."""
    move = next(write for write in planned.writes if write.needs and write.kind == "reassign_item")
    chosen = select_writes(
        planned.writes,
        planned.plan,
        planned.baseline,
        only=[parse_filter(f"vm={move.name}")],
    )
    assert [write.number for write in chosen.writes] == sorted({*move.needs, move.number})


def test_kinds_of_selectors_narrow_each_other(planned: Ready) -> None:
    """Selectors of one kind are joined, of several kinds intersected."""
    some = [parse_filter("service=data"), parse_filter("vm=app-*")]
    with pytest.raises(ApplyError, match="--only service=data --only vm=app-\\* matches no VM that the plan moves"):
        select_writes(planned.writes, planned.plan, planned.baseline, only=some)


def test_the_moves_that_gain_most_are_taken(planned: Ready) -> None:
    """With a limit no more VMs move than it says, and none that is left out gained more than one that is taken."""
    gains = {entry.vm.lower(): entry.risk_today - entry.risk for entry in planned.plan.schedule}
    chosen = select_writes(planned.writes, planned.plan, planned.baseline, max_moves=3).writes
    moved = {vm.lower() for write in chosen for vm in write.vms}
    assert 0 < len(moved) <= 3
    single = {w.vms[0].lower() for w in planned.writes if w.kind == "reassign_item"} - moved
    taken = [gains[vm] for vm in moved & {w.vms[0].lower() for w in chosen if w.kind == "reassign_item"}]
    assert not single or not taken or max(gains[vm] for vm in single) <= min(taken) + 1e-9


def test_a_wrong_name_gets_the_names_that_are_close(planned: Ready) -> None:
    """What was given is repeated, with what the plan moves under such a name."""
    vm = next(write.name for write in planned.writes if write.kind == "reassign_item")
    wrong = vm.replace("-", "_", 1)
    with pytest.raises(ApplyError) as caught:
        select_writes(
            planned.writes,
            planned.plan,
            planned.baseline,
            only=[parse_filter(f"vm={wrong}")],
        )
    assert f"--only vm={wrong} matches no VM that the plan moves; did you mean vm=" in str(caught.value)
    assert f"vm={vm}" in str(caught.value)
