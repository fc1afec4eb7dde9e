"""The month of a planner through the real clients: pull, plan, rehearse, apply, watch, plan again, roll back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl

from optimizer.azure.connection import Connection
from optimizer.azure.pull import azure_source
from optimizer.azure.service import AzureBackupService
from optimizer.cloud import rehearse_plan
from optimizer.emulator import Emulator
from optimizer.estate.demo import DEMO_AS_OF, generate_demo
from optimizer.estate.folder import open_estate
from optimizer.estate.pull import pull
from optimizer.estate.pull_options import PullOptions
from optimizer.estate.pull_source import Scope
from optimizer.model.clock import VirtualClock
from optimizer.plan.applied import apply_in_memory
from optimizer.plan.store import write_plan
from optimizer.rollout.carry_out import Pace
from optimizer.rollout.journal import read_journal
from optimizer.rollout.ledger import Ledger
from optimizer.rollout.prepare import prepare_apply, prepare_rollback
from optimizer.rollout.prepared import latest_end
from optimizer.rollout.progress import state_of
from optimizer.rollout.rehearsal import compare_estates
from optimizer.rollout.run import carry_out
from optimizer.rollout.watch import watch
from optimizer.workflow import make_plan
from tests.azure.clouds import subscriptions_of

PACE = Pace(settle_seconds=5.0, busy_seconds=300.0)


def test_the_whole_journey(tmp_path: Path) -> None:
    """Pull, plan, rehearse, apply, watch, plan again without a change, roll back to the start."""
    generate_demo(tmp_path / "truth", vms=25, weeks=3)
    truth = open_estate(tmp_path / "truth")
    clock = VirtualClock(DEMO_AS_OF - timedelta(hours=12))  # no backup is under way at noon
    jobs = truth.jobs().filter(pl.col("start") < clock.now())
    with Emulator.of_estate(truth.document, clock=clock, load=truth.load, jobs=jobs) as emulator:
        connection = Connection.to_emulator(emulator.endpoint, emulator.ca_file)
        scope = Scope(subscriptions=subscriptions_of(truth.document))
        start = emulator.snapshot()

        with azure_source(connection) as source:
            assert pull(scope, tmp_path / "estate", source, PullOptions(days=20), clock=clock).complete
        estate = open_estate(tmp_path / "estate")
        path = tmp_path / "plan.json"
        plan = make_plan(estate, effort=5, path=path)
        write_plan(plan, path)
        assert plan.changes

        rehearsal = rehearse_plan(plan, path, estate, start=clock.now())
        assert rehearsal.flawless, rehearsal
        assert rehearsal.num_writes > len(plan.changes)

        ledger, journal = Ledger(tmp_path / "state"), tmp_path / "plan.journal.jsonl"
        with AzureBackupService(connection) as service:
            prepared = prepare_apply(plan, path, estate.document, service, clock, ledger, journal)
            until = latest_end(prepared.rollout, clock.now())
            outcome = carry_out(prepared, service, clock, ledger, tmp_path / "state", until=until, pace=PACE)
            assert outcome.complete, outcome
            assert compare_estates(apply_in_memory(estate.document, plan.changes), emulator.snapshot()) == ()
            assert len(emulator.writes) == len(plan.changes)

            clock.sleep(timedelta(days=8, hours=6).total_seconds())
            moved = state_of(read_journal(journal)).moved_at()
            watched = watch(plan, moved, prepared.inventory, service, clock)
            assert not watched.alarms, watched.alarms
            assert len(watched.vms) == plan.summary.moved

            with azure_source(connection) as source:
                pull(scope, tmp_path / "estate", source, PullOptions(append=True, days=20), clock=clock)
            again = make_plan(open_estate(tmp_path / "estate"), effort=5, path=path)
            assert again.changes == ()

            back = prepare_rollback(
                plan, path, estate.document, service, clock, ledger, journal, tmp_path / "plan.rollback.jsonl"
            )
            until = latest_end(back.rollout, clock.now())
            assert carry_out(back, service, clock, ledger, tmp_path / "state", until=until, pace=PACE).complete
            created = {change.policy_id.lower() for change in plan.changes if change.kind == "create_policy"}
            assert compare_estates(start, emulator.snapshot(), besides=created) == ()
