"""A plan made from exported files, carried out by somebody else in the Azure that the files came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.emulator import Emulator
from optimizer.estate.folder import open_estate
from optimizer.model.clock import VirtualClock
from tests.cases import CASES_END, case_load
from tests.cli.command_line import run
from tests.intake.resource_files import resource_inputs as inputs


@pytest.mark.parametrize("form", ["cli", "graph table", "template"])
def test_a_plan_from_files_is_applied_and_rolled_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """However the files spell the resources, nothing counts as changed: every write is made, and taken back."""
    monkeypatch.setenv("BACKUP_OPTIMIZER_STATE", str(tmp_path / "state"))
    load = tmp_path / "load.parquet"
    case_load(list(inputs.NAMES), days=8).write_parquet(load)
    truth = tmp_path / "truth"
    (keyed,) = inputs.write_json(tmp_path, [inputs.keyed()])
    assert run("import", "--resources", keyed, "--load", load, "--out", truth).code == 0
    files = inputs.write_json(tmp_path, inputs.FORMS[form]())
    group = ["--resource-group", inputs.GROUP] if form == "template" else []
    assert run("import", "--resources", *files, *group, "--load", load, "--out", tmp_path / "estate").code == 0
    plan = tmp_path / "plan.json"
    assert run("plan", tmp_path / "estate", "--out", plan, "--effort", 1).code == 0
    clock = VirtualClock(CASES_END)
    with Emulator.of_estate(open_estate(truth).document, clock=clock) as emulator:
        before = emulator.snapshot()
        azure = ("--emulator", emulator.endpoint, "--ca-file", emulator.ca_file)
        answer = run("apply", plan, "--yes", "--wait", 48, *azure, clock=clock)
        assert answer.code == 0, answer
        assert emulator.writes
        answer = run("rollback", plan.with_suffix(".journal.jsonl"), "--yes", "--wait", 48, *azure, clock=clock)
        assert answer.code == 0, answer
        after = emulator.snapshot()
    policies = {item["id"]: item["properties"]["policyId"] for item in before.protected_items}
    assert {item["id"]: item["properties"]["policyId"] for item in after.protected_items} == policies
