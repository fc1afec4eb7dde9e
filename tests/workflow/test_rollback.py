"""Roll back an applied plan on an emulated cloud."""

from __future__ import annotations

import shutil

import pytest

import optimizer
from optimizer.rollout.rehearse.differences import compare_estates
from tests.workflow.conftest import WAIT, World


def test_a_rollback_restores_the_start(world: World) -> None:
    """After a rollback that also deletes what was created, the cloud is as it was before the plan."""
    start = world.emulator.snapshot()
    world.apply()
    assert compare_estates(start, world.emulator.snapshot()) != ()
    back = optimizer.prepare_rollback(
        world.journal, world.cloud, scope=optimizer.RollbackScope.of(delete_created=True)
    )
    assert optimizer.roll_back(back, world.cloud, wait=WAIT).complete
    assert compare_estates(start, world.emulator.snapshot()) == ()


def test_a_part_is_rolled_back_with_the_plan_elsewhere(world: World) -> None:
    """With ``only``, the other VMs keep their new start; a plan that is not beside the journal is named."""
    world.apply()
    moved = [entry for entry in optimizer.read_plan(world.plan_file).schedule if entry.start != entry.start_today]
    name = moved[0].vm.rpartition("/")[2]
    journal = world.folder / "elsewhere" / "plan.journal.jsonl"
    journal.parent.mkdir()
    shutil.move(world.journal, journal)
    with pytest.raises(optimizer.ApplyError, match="give its place with --plan"):
        optimizer.prepare_rollback(journal, world.cloud)
    back = optimizer.prepare_rollback(
        optimizer.PlanFiles(world.plan_file, journal), world.cloud, scope=optimizer.RollbackScope.of(f"vm={name}")
    )
    assert {vm.rpartition("/")[2] for write in back.writes for vm in write.vms} == {name}


def test_a_malformed_selection_is_refused(world: World) -> None:
    """A text that selects no VMs is a usage error, before anything is read from the cloud."""
    world.apply()
    before = world.emulator.requests.total()
    with pytest.raises(optimizer.ConfigError, match="tier=db"):
        optimizer.RollbackScope.of("tier=db")
    assert world.emulator.requests.total() == before
