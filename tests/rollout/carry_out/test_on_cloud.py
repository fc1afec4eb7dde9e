"""A run on a cloud: where its writes are counted, and which preparation it makes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from optimizer.errors import ApplyError
from optimizer.journal import read_journal, state_of
from optimizer.model.clock import VirtualClock
from optimizer.ports import no_progress, silent
from optimizer.rollout.carry_out.on_cloud import ledger_of, make_writes
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.scope import Command
from optimizer.rollout.session.ledger import CountedWrite
from tests.rollout.conftest import Ready
from tests.rollout.fake_service import FakeService


@dataclass(frozen=True)
class FakeCloud:
    """A cloud of one fake service."""

    fake: FakeService
    clock: VirtualClock
    state_folder: Path
    emulator: str = ""
    polling_seconds: float = 0.5

    def reader(self) -> FakeService:
        """The service."""
        return self.fake

    def service(self) -> FakeService:
        """The service."""
        return self.fake


def run_on(cloud: FakeCloud, ready: Ready, command: Command, wait: timedelta = timedelta()) -> RunOutcome:  # immutable
    """Prepare a plan and make its writes on a cloud."""
    journal = cloud.state_folder / "plan.journal.jsonl"
    prepared = prepare_apply(
        ready.plan, ready.plan_path, ready.document, cloud.fake, cloud.clock, ledger_of(cloud), journal
    )
    return make_writes(
        prepared, cloud, command, wait=wait, guard_request=False, progress=no_progress, tell=silent, remark=silent
    )


def test_writes_to_an_emulator_are_counted_apart(planned: Ready, tmp_path: Path) -> None:
    """Each emulator has a ledger of its own below the folder in which the writes to Azure are counted."""
    clock = VirtualClock(planned.noon)
    azure = FakeCloud(FakeService(planned.document), clock, tmp_path)
    ledger_of(azure).add(CountedWrite(at=clock.now(), vault_id="/v"))
    day = clock.now() - timedelta(days=1)
    assert len(ledger_of(azure).since(day)) == 1
    assert ledger_of(FakeCloud(azure.fake, clock, tmp_path, emulator="one")).since(day) == ()
    assert (tmp_path / "emulators" / "one").is_dir()


def test_writes_are_made_and_counted(planned: Ready, tmp_path: Path) -> None:
    """With enough time, every write is made, recorded in the journal, and counted in the ledger of the cloud."""
    clock = VirtualClock(planned.noon)
    cloud = FakeCloud(FakeService(planned.document), clock, tmp_path)
    outcome = run_on(cloud, planned, "apply", wait=timedelta(days=9))
    assert outcome.complete, outcome
    assert len(state_of(read_journal(tmp_path / "plan.journal.jsonl")).done) == len(planned.plan.changes)
    policies = sum(change.kind != "reassign_item" for change in planned.plan.changes)
    assert len(ledger_of(cloud).since(planned.noon - timedelta(days=1))) == policies


def test_another_preparation_is_refused(planned: Ready, tmp_path: Path) -> None:
    """What was prepared for one command is not carried out as another; nothing is written."""
    cloud = FakeCloud(FakeService(planned.document), VirtualClock(planned.noon), tmp_path)
    with pytest.raises(ApplyError, match="a prepared 'apply', not 'rollback'"):
        run_on(cloud, planned, "rollback")
    assert not (tmp_path / "plan.journal.jsonl").exists()
