"""``what-if``: scenarios and sensitivity, and the options of ``plan`` that it replaced."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from optimizer.report.terminal.sensitivity import render_sensitivity
from optimizer.report.terminal.sheet import to_text
from optimizer.report.terminal.what_if import render_what_if
from optimizer.whatif.document import WhatIf
from optimizer.whatif.sensitivity_document import Sensitivity
from tests.cli.command_line import run
from tests.plan.estates import write_inputs
from tests.whatif.examples import everything, tiny_estate

EFFORT = ("--effort", 2)


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an imported estate of two vaults."""
    folder = tmp_path_factory.mktemp("questions")
    vms, load = write_inputs(folder)
    assert run("import", "--vms", vms, "--load", load, "--out", folder / "estate").code == 0
    return folder / "estate"


CHANGES = ("add-vms=service=shop,count=12", "prices.snapshot_overlap=0.05")


@pytest.mark.thorough
def test_what_if_prints_one_answer_and_writes_nothing(estate: Path, tmp_path: Path) -> None:
    """JSON is alone on stdout and of the published shape; no plan appears, here or in the estate."""
    before = everything(estate)
    with contextlib.chdir(tmp_path):
        answer = run("what-if", estate, *CHANGES, *EFFORT, "--format", "json", "--quiet")
    assert (answer.code, answer.err) == (0, "")
    found = WhatIf.model_validate_json(answer.out)
    assert found.scenarios[0].changes == CHANGES
    assert len(found.scenarios[0].new_vms) == 12
    assert everything(estate) == before
    assert list(tmp_path.iterdir()) == []
    text = run("what-if", estate, *CHANGES, *EFFORT)
    assert text.code == 0
    assert max(cell_len(line) for line in text.out.splitlines()) <= 100
    assert "new - base" in text.out
    assert "No plan was written" in text.out
    for page in (to_text(render_what_if(found), 80), to_text(render_what_if(found), ascii_only=True)):
        assert "shop" in page
    assert to_text(render_what_if(found), ascii_only=True).isascii()


@pytest.mark.thorough
def test_scenarios_of_a_file_stand_side_by_side(estate: Path, tmp_path: Path) -> None:
    """Each scenario is a row under the base plan; one without a schedule ends with 3 and is still answered."""
    file = tmp_path / "scenarios.toml"
    file.write_text(
        '[[scenario]]\nname = "no moves"\nwhat_if = ["max_moves=0"]\n'
        '[[scenario]]\nname = "no nights"\nwhat_if = ['
        '"add-rule={ name = \\"stay\\", allow = [{ from = \\"20:00\\", to = \\"06:00\\" }] }", '
        '"forbid=2026-03-02 18:00-08:00"]\n'
    )
    answer = run("what-if", estate, "--scenarios", file, "lose-vault=vault-b", *EFFORT)
    assert answer.code == 3
    assert answer.err.startswith("What if no nights: no schedule keeps the rules of this scenario\n")
    assert answer.err.count("What if") == 1
    rows = [line for line in answer.out.splitlines() if line.startswith((" base plan ", " no moves", " no nights"))]
    assert len(rows) >= 3
    assert "no schedule" in answer.out
    assert "'stay'" in answer.out
    assert "What if lose-vault=vault-b" in answer.out
    shown = run("what-if", estate, "--scenarios", file, "lose-vault=vault-b", *EFFORT, "--format", "json")
    text = to_text(render_what_if(WhatIf.model_validate_json(shown.out)), 100)
    assert max(cell_len(line) for line in text.splitlines()) <= 100


@pytest.mark.thorough
def test_sensitivity_is_answered(tmp_path: Path) -> None:
    """Prices and proofs, as a table of at most 100 columns and as JSON."""
    rows = [(f"vm-of-a-long-name-{n}", f"service-{n % 2}", "vault-a", "nightly", "23:00") for n in range(6)]
    estate = tiny_estate(tmp_path, rows, {rows[0][0]: 97.0}).path
    answer = run("what-if", estate, "--sensitivity", *EFFORT, "--format", "json", "--quiet")
    assert (answer.code, answer.err) == (0, "")
    found = Sensitivity.model_validate_json(answer.out)
    assert len(found.prices) == 12
    assert set(json.loads(answer.out)) == set(Sensitivity.model_fields)
    for text in (run("what-if", estate, "--sensitivity", *EFFORT).out, to_text(render_sensitivity(found), 100)):
        assert "matter" in next(line for line in text.splitlines() if "price" in line and "vault" in line)
        assert max(cell_len(line) for line in text.splitlines()) <= 100
        assert "the usual price of a move" in text
        assert "not decided" in text


WRONG: dict[str, tuple[list[object], int, str]] = {
    "an unknown kind": (["prices.snapshot_overlp=3"], 2, "did you mean prices.snapshot_overlap"),
    "no value": (["lose-vault"], 2, "a value is missing; write lose-vault=VALUE"),
    "a price of words": (
        ["prices.snapshot_overlap=much"],
        2,
        'prices > snapshot_overlap = "much": has the wrong type',
    ),
    "a price below 0": (["prices.move=-1"], 2, "prices > move = -1: is too small; allowed: 0 or more"),
    "a threshold as a share": (["threshold.cpu_percent=0.8"], 2, "write 80 for 80 %"),
    "no such vault": (["lose-vault=vault-c"], 1, "there is no vault 'vault-c'; did you mean 'vault-"),
    "no such rule": (["drop-rule=x"], 1, "there is no rule 'x'; there are no rules"),
    "no such service": (["add-vms=service=shops,count=1"], 1, "did you mean 'shop'?"),
    "no such file": (["add-rule=none.toml"], 1, "there is no file none.toml"),
    "no scenarios": (["--scenarios", "none.toml"], 1, "none.toml: cannot be read"),
    "other dates": (["forbid=2030-01-01 20:00-06:00"], 1, "not among the 30 days of the plan"),
    "a plan to write": (
        ["max_moves=1", "--out", "p.json"],
        2,
        "No such option '--out'",
    ),
    "nothing to compare": ([], 2, "give a change such as prices.move=0.05"),
    "two questions": (["--sensitivity", "max_moves=1"], 2, "run them one at a time"),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_are_answered_before_any_work(estate: Path, tmp_path: Path, case: str) -> None:
    """A question that makes no sense is refused with what is allowed, without a traceback, and nothing is written."""
    args, code, expected = WRONG[case]
    with contextlib.chdir(tmp_path):
        answer = run("what-if", estate, *args)
    assert answer.code == code
    assert expected in answer.err
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert list(tmp_path.iterdir()) == []


MOVED: dict[str, tuple[list[object], str]] = {
    "a change": (["--what-if", "prices.move=0.05"], "prices.move=0.05"),
    "several changes": (
        ["--what-if", "drop-rule=at night", "--what-if", "max_moves=1"],
        "'drop-rule=at night' max_moves=1",
    ),
    "scenarios": (["--scenarios", "two.toml"], "--scenarios two.toml"),
    "sensitivity and options": (
        ["--sensitivity", "--rules", "r.toml", "--prove", "--history", "a.jsonl", "--history", "b.jsonl"],
        "--sensitivity --rules r.toml --prove --history a.jsonl --history b.jsonl",
    ),
    "options that what-if lacks": (
        ["--what-if", "max_moves=1", "--out", "p.json", "--moves-curve", "--effort", 7],
        "max_moves=1 --effort 7",
    ),
}


@pytest.mark.parametrize("case", MOVED)
def test_plan_points_to_what_if(tmp_path: Path, case: str) -> None:
    """``plan`` refuses the options that ``what-if`` replaced before any work, and shows the whole command to use."""
    args, expected = MOVED[case]
    with contextlib.chdir(tmp_path):
        answer = run("plan", "estate", *args)
    assert (answer.code, answer.out) == (2, "")
    assert f"use: backup-optimizer what-if estate {expected}\n" in answer.err
    assert "--what-if" not in run("plan", "--help").out
