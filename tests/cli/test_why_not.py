"""Where no schedule keeps the rules: what is said, what a pipeline gets, and that following the advice works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from optimizer.plan.explanations.limit_prices import LimitPriceEntry
from optimizer.solve.why_not.no_schedule import NoSchedule
from tests.cli.command_line import Answer, run
from tests.plan.estates import write_inputs

EFFORT = ("--effort", 5)
ERP = 'where = { service = "erp" }'

GUILTY = {
    4: ("erp in turns", "max_concurrent = 3"),
    19: ("erp at night", 'allow = [{ from = "20:00", to = "06:00", zone = "UTC" }]'),
    33: ("erp after the batch run", 'forbid = [{ from = "19:00", to = "24:00", zone = "UTC" }]'),
}
"""Twelve VMs in turns of three fit into a night, into what is not the evening, but not into a night without it."""


def forty_rules() -> str:
    """Rules of which three have no room for each other."""
    lines = ["max_risk_increase = 100.0"]
    for number in range(40):
        name, demand = GUILTY.get(
            number, (f"noon {number}", 'forbid = [{ from = "12:00", to = "12:30", zone = "UTC" }]')
        )
        where = ERP if number in GUILTY or number % 2 else 'where = { service = "pay" }'
        lines += ["[[rule]]", f'name = "{name}"', where, demand]
    return "\n".join(lines)


def no_schedule(answer: Answer) -> NoSchedule:
    """Return the conflicts and ways out of JSON output, which stand beside the error."""
    content = json.loads(answer.out)
    assert content.pop("error")["exit_code"] == 3
    return NoSchedule.model_validate(content)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an estate and forty rules."""
    folder = tmp_path_factory.mktemp("home")
    vms, load = write_inputs(folder, "erp", "pay")
    assert run("import", "--vms", vms, "--load", load, "--out", folder / "estate").code == 0
    (folder / "rules.toml").write_text(forty_rules())
    return folder


def plan_without_schedule(home: Path, *args: object) -> Answer:
    """Run ``plan`` with the forty rules."""
    return run("plan", home / "estate", "--rules", home / "rules.toml", "--out", home / "plan.json", *EFFORT, *args)


@pytest.fixture(scope="module")
def said(home: Path) -> Answer:
    """Return what a person is told."""
    return plan_without_schedule(home)


@pytest.fixture(scope="module")
def told(home: Path) -> Answer:
    """Return what a pipeline is told."""
    return plan_without_schedule(home, "--format", "json")


@pytest.mark.thorough
def test_three_of_forty_rules_are_named_with_their_ways_out(home: Path, said: Answer) -> None:
    """The message names rules and VMs, says what it would take and what the plan is then; no line is too wide."""
    assert (said.code, said.out) == (3, "")
    text = " ".join(said.err.split())
    assert text.startswith("error: no schedule satisfies the rules")
    assert "'erp in turns', 'erp at night' and 'erp after the batch run' cannot all hold for 12 VMs: erp-00" in text
    assert "Proven: no smaller set of rules or limits than 'erp in turns'" in text
    assert "noon" not in text
    assert "drop 'erp at night'" in text
    assert "max_concurrent of 'erp in turns' from 3 to 6" in text
    assert all(cell_len(line) <= 100 for line in said.err.splitlines())
    assert not (home / "plan.json").exists()


@pytest.mark.thorough
def test_a_pipeline_gets_conflicts_and_ways_out_as_json(home: Path, told: Answer) -> None:
    """With --format json stdout is the answer alone, and stderr one sentence; asked again it is the same."""
    assert told.code == 3
    assert told.err == "error: no schedule satisfies the rules\n"
    found = no_schedule(told)
    (conflict,) = found.conflicts
    assert [limit.name for limit in conflict.limits] == [name for name, _ in GUILTY.values()]
    assert (len(conflict.vms), conflict.smallest) == (12, True)
    assert found.complete
    costs = [one.plan.cost for one in found.relaxations if one.changes[0].action == "drop"]
    assert costs == sorted(costs)
    assert plan_without_schedule(home, "--format", "json") == told


@pytest.mark.thorough
def test_following_the_advice_makes_the_plan_that_was_promised(home: Path, told: Answer, tmp_path: Path) -> None:
    """With the rule changed as advised, a plan is made, with no more cost than was said."""
    call = ("plan", home / "estate", "--out", tmp_path / "plan.json", *EFFORT, "--format", "json", "--rules")
    found = no_schedule(told)
    (advised,) = [one for one in found.relaxations if one.changes[0].action == "set"]
    assert (advised.changes[0].limit.name, advised.changes[0].to) == ("erp in turns", 6)
    rules = tmp_path / "rules.toml"
    rules.write_text(forty_rules().replace("max_concurrent = 3", "max_concurrent = 6"))
    answer = run(*call, rules)
    assert answer.code == 0
    assert json.loads(answer.out)["cost"]["plan"] <= advised.plan.cost * 1.001


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["erp at night", "erp after the batch run"])
def test_exempting_vms_as_advised_makes_the_plan_that_was_promised(
    home: Path, said: Answer, told: Answer, tmp_path: Path, name: str
) -> None:
    """The key that the answer gives, pasted into the rule, makes a plan with no more cost than was said."""
    call = ("plan", home / "estate", "--out", tmp_path / "plan.json", *EFFORT, "--rules")
    found = no_schedule(told)
    (advised,) = [
        one for one in found.relaxations if (one.changes[0].limit.name, one.changes[0].action) == (name, "exempt")
    ]
    write = advised.changes[0].write
    assert write in said.err
    rules = tmp_path / "rules.toml"
    rules.write_text(forty_rules().replace(f'name = "{name}"', f'name = "{name}"\n{write}'))
    answer = run(*call, rules, "--format", "json")
    assert answer.code == 0
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert json.loads(answer.out)["cost"]["plan"] <= advised.plan.cost * 1.001
    (kept,) = [rule for rule in plan["rules"]["rule"] if rule["name"] == name]
    assert len(kept["except"]) == len(advised.changes[0].vms)


@pytest.fixture
def two_windows(tmp_path: Path) -> Path:
    """Return rules with two windows that exclude each other."""
    windows = {"at night": "allow", "not at night": "forbid"}
    rules = tmp_path / "rules.toml"
    rules.write_text(
        "\n".join(
            f'[[rule]]\nname = "{name}"\n{ERP}\n{key} = [{{ from = "20:00", to = "06:00" }}]'
            for name, key in windows.items()
        )
    )
    return rules


def test_answers_are_shown_as_they_are_found(home: Path, two_windows: Path, tmp_path: Path) -> None:
    """First the conflict, then each way out, at last the table with the cheapest first; nothing is said twice."""
    answer = run("plan", home / "estate", "--rules", two_windows, "--out", tmp_path / "plan.json", "--effort", 1)
    assert (answer.code, answer.out) == (3, "")
    in_order = (
        "error: no schedule satisfies the rules",
        "'at night' and 'not at night' cannot all hold for 12 VMs",
        "Looking for changes that make a schedule possible",
        "drop 'at night': cost",
        "What would make a schedule possible",
    )
    places = [answer.err.index(text) for text in in_order]
    assert places == sorted(places)
    assert answer.err.count("cannot all hold") == answer.err.count("error:") == 1
    assert all(cell_len(line) <= 100 for line in answer.err.splitlines())


@pytest.mark.parametrize(
    ("command", "others"),
    [
        pytest.param("plan", ("--toward", "--max-moves", "2"), id="toward"),
        pytest.param("what-if", ("max_moves=3",), id="what-if", marks=pytest.mark.thorough),
        pytest.param("what-if", ("--sensitivity",), id="sensitivity", marks=pytest.mark.thorough),
    ],
)
def test_every_way_to_plan_shows_answers_as_they_are_found(
    home: Path, two_windows: Path, tmp_path: Path, command: str, others: tuple[str, ...]
) -> None:
    """A first step and a what-if answer as the plain plan does: the same lines, in the same order, once."""
    call = (home / "estate", "--rules", two_windows, "--effort", 1)
    plain = run("plan", *call, "--out", tmp_path / "plan.json")
    assert "Looking for changes that make a schedule possible" in plain.err
    answer = run(command, *call, *others)
    assert (answer.code, answer.out) == (3, "")
    assert answer.err == plain.err


@pytest.mark.thorough
def test_a_scenario_without_a_schedule_shows_its_ways_out(home: Path, two_windows: Path) -> None:
    """The conflict and the ways out of a scenario come as they are found, and stand in the answer; it is no error."""
    rules = two_windows.read_text().split("[[rule]]")
    one, other = two_windows.with_name("one.toml"), two_windows.with_name("other.toml")
    one.write_text(f"[[rule]]{rules[1]}")
    other.write_text(f"[[rule]]{rules[2]}")
    call = ("what-if", home / "estate", "--rules", one, "--effort", 1, f"add-rule={other}")
    answer = run(*call)
    assert answer.code == 3
    assert "error:" not in answer.err
    in_order = ("no schedule keeps the rules of this scenario", "cannot all hold", "Looking for", "drop 'at night'")
    places = [answer.err.index(text) for text in in_order]
    assert places == sorted(places)
    assert "What would make a schedule possible" in answer.out
    assert "drop 'at night': cost" in " ".join(answer.out.split())
    quiet = run(*call, "--format", "json")
    assert "Looking for" not in quiet.err
    (scenario,) = json.loads(quiet.out)["scenarios"]
    assert any(way.startswith("drop 'at night': cost") for way in scenario["ways_out"])


def test_quiet_and_json_answer_once_at_the_end(home: Path, two_windows: Path, tmp_path: Path) -> None:
    """With --quiet stderr has the whole answer and no more; with --format json stdout is one document."""
    call = ("plan", home / "estate", "--rules", two_windows, "--out", tmp_path / "plan.json", "--effort", 1)
    quiet = run(*call, "--quiet").err
    assert "Looking for" not in quiet
    assert quiet.index("cannot all hold") < quiet.index("What would make a schedule possible")
    answer = run(*call, "--format", "json")
    assert answer.err == "error: no schedule satisfies the rules\n"
    found = no_schedule(answer)
    assert {change.limit.name for one in found.relaxations for change in one.changes} == {"at night", "not at night"}
    assert all(one.minimal for one in found.relaxations)


def test_a_time_limit_that_is_over_still_leaves_a_way_out(home: Path, two_windows: Path, tmp_path: Path) -> None:
    """Without time for any search, today's schedule shows which rules have to go."""
    call = ("plan", home / "estate", "--rules", two_windows, "--out", tmp_path / "plan.json", "--time-limit", 0.001)
    found = no_schedule(run(*call, "--format", "json"))
    assert found.relaxations
    assert not found.complete


def test_without_a_proof_the_error_says_what_would_help(home: Path, tmp_path: Path) -> None:
    """Where the time does not suffice to prove anything, neither a conflict nor an impossibility is claimed."""
    call = ("plan", home / "estate", "--rules", home / "rules.toml", "--out", tmp_path / "plan.json")
    answer = run(*call, "--time-limit", 0.001)
    assert (answer.code, answer.out) == (1, "")
    text = " ".join(answer.err.split())
    assert text.startswith("error: found no schedule that keeps the rules")
    assert "could not prove that none exists" in text
    assert "changes that make a schedule possible, the cheapest first: drop 'erp" in text
    assert "cannot" not in text


@pytest.mark.thorough
def test_limits_that_bind_are_priced(home: Path, tmp_path: Path) -> None:
    """``report --limits`` prices one more move; as JSON the same, and on the page where one is asked for."""
    rules, plan = tmp_path / "rules.toml", tmp_path / "plan.json"
    rules.write_text("max_moves = 3\n")
    assert run("plan", home / "estate", "--rules", rules, "--out", plan, *EFFORT).code == 0
    text = run("report", plan, "--limits").out
    assert "Limits that bind" in text
    assert "max_moves" in text
    answer = run("report", plan, "--limits", "--format", "json")
    prices = [LimitPriceEntry.model_validate(one) for one in json.loads(answer.out)["limits"]]
    assert [(one.was, one.to) for one in prices if one.name == "max_moves"] == [(3, 4)]
    assert max(one.saves for one in prices) > 0
    both = run("report", plan, "--limits", "--html", tmp_path / "page.html")
    assert (both.code, both.out) == (0, text)
    assert "Limits that bind" in (tmp_path / "page.html").read_text("utf-8")
    assert run("report", plan, "--html", tmp_path / "plain.html").code == 0
    assert "Limits that bind" not in (tmp_path / "plain.html").read_text("utf-8")
