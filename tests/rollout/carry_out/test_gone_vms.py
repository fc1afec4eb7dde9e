"""A VM that is gone is not moved, and what was moved of it before can be taken back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from optimizer.arm.resources import Absence
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_rollback import prepare_rollback
from optimizer.rollout.prepare.plan_case import PlanCase
from optimizer.rollout.rehearse.differences import compare_estates
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from tests.plan.estates import vm_id
from tests.rollout.azure_rollouts import azure, of_two_vaults, ready_of
from tests.rollout.conftest import PACE


@pytest.mark.parametrize("how", [None, "gone", "hidden"])
def test_a_move_of_a_vm_that_is_gone_can_be_taken_back(tmp_path: Path, how: Absence | None) -> None:
    """A plan of an earlier version, or of a time when the VM was there, is rolled back whole."""
    with azure(ready_of(of_two_vaults()), tmp_path) as cloud:
        assert cloud.apply().complete
        ready, state = cloud.ready, cloud.folder / "state"
        there = tuple(vm for vm in ready.document.vms if str(vm["id"]) != vm_id("one-0"))
        missing = {} if how is None else {vm_id("one-0"): how}
        document = ready.document.model_copy(update={"vms": there, "missing_vms": missing})
        prepared = prepare_rollback(
            PlanCase(ready.plan, ready.plan_path, document),
            Session(cloud.service, cloud.clock, Ledger(state)),
            cloud.journal,
            RunJournal(cloud.folder / "plan.rollback.jsonl", "rollback"),
        )
        until = cloud.clock.now() + timedelta(hours=30)
        outcome = carry_out(prepared, Session(cloud.service, cloud.clock, Ledger(state)), until=until, pace=PACE)
        assert outcome.complete, outcome
        created = {write.object_id.lower() for write in ready.writes if write.kind == "create_policy"}
        assert compare_estates(ready.document, cloud.emulator.snapshot(), besides=created) == ()
