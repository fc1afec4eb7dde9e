"""Prepare and apply a plan on an emulated cloud."""

from __future__ import annotations

import shutil

import pytest

import optimizer
from optimizer.documents.rollback_file import rollback_path
from optimizer.journal import Commands, RunRecord
from tests.workflow.conftest import WAIT, World


def test_preparing_writes_nothing_to_the_cloud(world: World) -> None:
    """A prepared run knows its calendar; only the rollback file appears, and the cloud gets no write."""
    prepared = optimizer.prepare_apply(world.plan_file, world.cloud)
    plan = optimizer.read_plan(world.plan_file)
    assert len(prepared.writes) == len(plan.changes)
    assert rollback_path(world.plan_file).exists()
    assert not world.journal.exists()
    assert not world.emulator.writes


def test_a_plan_is_applied_in_parts(world: World) -> None:
    """A run covers its scope, records its approval, and a second one with ``resume`` goes on."""
    approval = optimizer.Approval("Change board", "CHG1")
    scope = optimizer.RunScope.of(max_moves=1)
    first = optimizer.prepare_apply(world.plan_file, world.cloud, scope=scope, approval=approval)
    assert optimizer.apply_plan(first, world.cloud, wait=WAIT).complete
    written = len(world.emulator.writes)
    assert 0 < written == len(first.writes)
    run = optimizer.read_journal(world.journal)[0]
    assert isinstance(run, RunRecord)
    assert (run.approved_by, run.ticket, run.options) == ("Change board", "CHG1", {"max_moves": 1})

    with pytest.raises(optimizer.ApplyError, match="--resume"):
        optimizer.prepare_apply(world.plan_file, world.cloud)
    moves = optimizer.read_plan(world.plan_file).summary.moved
    rest = optimizer.prepare_apply(
        world.plan_file, world.cloud, resume=True, scope=optimizer.RunScope.of(max_moves=moves)
    )
    assert optimizer.apply_plan(rest, world.cloud, wait=WAIT).complete
    assert len(world.emulator.writes) == len(optimizer.read_plan(world.plan_file).changes)


def test_a_run_without_time_leaves_writes(world: World) -> None:
    """Without ``wait``, writes that are not possible now stay pending, with a reason for each."""
    world.clock.sleep(10.5 * 3600)  # in the evening, backups are near
    outcome = optimizer.apply_plan(optimizer.prepare_apply(world.plan_file, world.cloud), world.cloud)
    assert not outcome.complete
    assert outcome.pending and all(outcome.pending.values())
    assert len(world.emulator.writes) == len(outcome.done)


def test_a_plan_is_resumed_without_its_estate(world: World) -> None:
    """If the estate is gone, the rollback file takes its place; a named estate that is gone is remarked on."""
    scope = optimizer.RunScope.of(max_moves=1)
    optimizer.apply_plan(optimizer.prepare_apply(world.plan_file, world.cloud, scope=scope), world.cloud, wait=WAIT)
    shutil.rmtree(world.folder / "estate")
    said: list[str] = []
    files = optimizer.PlanFiles(world.plan_file, estate=world.folder / "estate")
    prepared = optimizer.prepare_apply(files, world.cloud, resume=True, remark=said.append)
    assert len(prepared.records) > 1
    assert len(said) == 1 and "takes the place of --estate" in said[0]


def test_messages_offer_the_commands_of_the_caller(world: World) -> None:
    """The commands of a run come from the function that the caller gives, for the paths of plan and journal."""
    journal = world.folder / "other.jsonl"
    prepared = optimizer.prepare_apply(
        optimizer.PlanFiles(world.plan_file, journal=journal),
        world.cloud,
        commands=lambda plan, record: Commands(plan, record, service=("--cloud", "china")),
    )
    assert prepared.commands == Commands(world.plan_file, journal, service=("--cloud", "china"))
    assert prepared.journal_path == journal


def test_a_prepared_rollback_is_not_applied(world: World) -> None:
    """What was prepared for one command cannot be carried out as another."""
    world.apply()
    back = optimizer.prepare_rollback(world.journal, world.cloud)
    written = len(world.emulator.writes)
    with pytest.raises(optimizer.ApplyError, match="a prepared 'rollback', not 'apply'"):
        optimizer.apply_plan(back, world.cloud)
    assert len(world.emulator.writes) == written
