"""The whole round on an emulator that runs faster: pull, plan, apply, watch, rollback, in minutes instead of days."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from optimizer.demo.generate import DEMO_AS_OF, generate_demo
from optimizer.emulator import Emulator
from optimizer.estate.folder import open_estate
from optimizer.model.clock import FasterClock, VirtualClock
from tests.azure.clouds import subscriptions_of
from tests.cli.command_line import run

SPEED = 300.0


def policies_of_items(emulator: Emulator) -> dict[str, str]:
    return {str(item["id"]): item["properties"]["policyId"] for item in emulator.snapshot().protected_items}


def test_the_whole_round_takes_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command goes by the emulator's time: gates, journal and ledger too; the machine's clock hardly moves."""
    monkeypatch.setenv("BACKUP_OPTIMIZER_STATE", str(tmp_path / "state"))
    generate_demo(tmp_path / "truth", vms=12, weeks=2)
    truth, machine = open_estate(tmp_path / "truth"), VirtualClock(DEMO_AS_OF - timedelta(days=400))
    service_clock = FasterClock(DEMO_AS_OF - timedelta(hours=12), SPEED, machine)
    began, began_there = machine.now(), service_clock.now()
    jobs = truth.jobs().filter(pl.col("start") < began_there)
    # All of them succeeded, so that 'watch' finds no gap between recovery points that is older than the plan.
    jobs = jobs.with_columns(pl.lit("Completed", jobs.schema["status"]).alias("status"))
    plan, journal = tmp_path / "plan.json", tmp_path / "plan.journal.jsonl"
    with Emulator.of_estate(truth.document, clock=service_clock, load=truth.load, jobs=jobs) as emulator:
        azure = ("--emulator", emulator.endpoint, "--ca-file", emulator.ca_file)
        scope = [word for name in subscriptions_of(truth.document) for word in ("--subscription", name)]
        pulled = run("pull", *scope, "--out", tmp_path / "estate", "--days", 10, *azure, clock=machine)
        assert pulled.code == 0, pulled
        assert run("plan", tmp_path / "estate", "--out", plan, "--effort", 1, clock=machine).code == 0
        today = policies_of_items(emulator)

        applied = run("apply", plan, "--yes", "--wait", 72, *azure, clock=machine)
        assert applied.code == 0, applied
        assert policies_of_items(emulator) != today
        service_clock.sleep(timedelta(days=2).total_seconds())
        watched = run("watch", plan, "--format", "json", "--quiet", *azure, clock=machine)
        assert watched.code == 0, watched.out
        assert {vm["verdict"] for vm in json.loads(watched.out)["vms"]} == {"ok"}
        back = run("rollback", journal, "--yes", "--wait", 72, "--delete-created", *azure, clock=machine)
        assert back.code == 0, back
        assert policies_of_items(emulator) == today

    times = [json.loads(line)["at"] for line in journal.read_text().splitlines() if "at" in json.loads(line)]
    assert all(began_there <= datetime.fromisoformat(time) <= service_clock.now() for time in times)
    assert timedelta(days=2) < service_clock.now() - began_there < timedelta(days=9)
    assert machine.now() - began < timedelta(minutes=45)
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["emulators"]
