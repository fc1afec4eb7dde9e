"""`plan --toward` on the command line: what it needs, what it cannot be combined with, and its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command_line import run
from tests.plan.estates import write_inputs

RULES = """
[[rule]]
name = "shop late"
where = { service = "shop" }
allow = [{ from = "01:00", to = "09:00" }]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an estate and a rule that six VMs break."""
    folder = tmp_path_factory.mktemp("home")
    vms, load = write_inputs(folder)
    assert run("import", "--vms", vms, "--load", load, "--out", folder / "estate").code == 0
    (folder / "rules.toml").write_text(RULES)
    return folder


@pytest.mark.thorough
def test_json_tells_how_far_it_leads(home: Path) -> None:
    """With four moves, two of six VMs go on breaking the rule, and a second plan is needed."""
    args = ("--rules", home / "rules.toml", "--out", home / "plan.json", "--effort", 2, "--format", "json")
    answer = run("plan", home / "estate", "--toward", "--max-moves", 4, *args)
    assert answer.code == 0
    toward = json.loads(answer.out)["toward"]
    assert len(toward.pop("later")) == 2
    assert toward == {
        "violations_today": 6,
        "violations_left": 2,
        "moves_needed": 6,
        "months": 2,
        "rules": [{"rule": "shop late", "today": 6, "left": 2}],
    }
    enough = json.loads(run("plan", home / "estate", "--toward", "--max-moves", 6, *args).out)["toward"]
    assert (enough["violations_left"], enough["months"]) == (0, 1)


def test_a_moves_curve_is_refused(home: Path) -> None:
    """The option --moves-curve asks for another plan, so it cannot be combined with --toward."""
    answer = run("plan", home / "estate", "--toward", "--max-moves", 4, "--moves-curve")
    assert answer.code == 2
    assert "--toward cannot be combined with --moves-curve" in answer.err


@pytest.mark.parametrize(("limit", "said"), [((), "the rules set none"), (("--max-moves", 0), "it is 0")])
def test_a_limit_of_moves_is_needed(home: Path, limit: tuple[object, ...], said: str) -> None:
    """Without a limit, or with one of 0, the message says what to give."""
    answer = run("plan", home / "estate", "--toward", *limit)
    assert answer.code != 0
    assert said in answer.err
    assert "give --max-moves N" in answer.err
