"""From Azure to Azure and back: the use cases of the Python API on the emulated cloud, with real clients, no mocks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl

import optimizer
from optimizer.azure.connection import Connection
from optimizer.demo.generate import DEMO_AS_OF
from optimizer.emulator import Emulator
from optimizer.model.clock import VirtualClock
from optimizer.rollout.rehearse.differences import compare_estates
from tests.azure.clouds import subscriptions_of

WAIT = timedelta(days=4)
"""Longer than the roll-out takes."""


def test_the_whole_journey(tmp_path: Path) -> None:
    """Pull, plan, report, rehearse, apply, watch, plan again without a change, roll back to the start."""
    optimizer.generate_demo(tmp_path / "truth", vms=25, weeks=3)
    truth = optimizer.open_estate(tmp_path / "truth")
    clock = VirtualClock(DEMO_AS_OF - timedelta(hours=12))  # no backup is under way at noon
    jobs = truth.jobs().filter(pl.col("start") < clock.now())
    with Emulator.of_estate(truth.document, clock=clock, load=truth.load, jobs=jobs) as emulator:
        connection = Connection.to_emulator(emulator.endpoint, emulator.ca_file)
        azure = optimizer.AzureCloud(connection, clock, state_folder=tmp_path / "state")
        scope = optimizer.PullScope(subscriptions=subscriptions_of(truth.document))
        start = emulator.snapshot()

        assert optimizer.pull_estate(scope, tmp_path / "estate", azure, optimizer.PullOptions(days=20)).complete
        estate = optimizer.open_estate(tmp_path / "estate")
        path, page = tmp_path / "plan.json", tmp_path / "report.html"
        plan = optimizer.make_plan(estate, effort=5, path=path)
        optimizer.write_plan(plan, path)
        assert plan.changes
        optimizer.write_report(plan, estate, page)
        assert plan.schedule[0].vm.rpartition("/")[2] in page.read_text(encoding="utf-8")

        rehearsal = optimizer.rehearse_plan(path, optimizer.open_twin, start=clock.now())
        assert rehearsal.flawless, rehearsal
        assert rehearsal.num_writes > len(plan.changes)

        prepared = optimizer.prepare_apply(path, azure)
        outcome = optimizer.apply_plan(prepared, azure, wait=WAIT)
        assert outcome.complete, outcome
        assert compare_estates(optimizer.apply_in_memory(estate.document, plan.changes), emulator.snapshot()) == ()
        assert len(emulator.writes) == len(plan.changes)

        clock.sleep(timedelta(days=8, hours=6).total_seconds())
        watched = optimizer.watch_plan(path, azure)
        assert not watched.alarms, watched.alarms
        assert len(watched.vms) == plan.summary.moved

        optimizer.pull_estate(scope, tmp_path / "estate", azure, optimizer.PullOptions(append=True, days=20))
        again = optimizer.make_plan(optimizer.open_estate(tmp_path / "estate"), effort=5, path=path)
        assert again.changes == ()

        back = optimizer.prepare_rollback(tmp_path / "plan.journal.jsonl", azure)
        assert optimizer.roll_back(back, azure, wait=WAIT).complete
        created = {change.policy_id.lower() for change in plan.changes if change.kind == "create_policy"}
        assert compare_estates(start, emulator.snapshot(), besides=created) == ()
