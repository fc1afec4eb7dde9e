"""Every command: what it prints where, its exit codes, its width, and what it does not import."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import click
import pytest
from rich.cells import cell_len

from optimizer.cli import cli
from optimizer.demo.generate import DEMO_AS_OF, generate_demo
from optimizer.documents import Audit, Explanation, PlanDocument, Summary
from optimizer.documents.fingerprint import with_fingerprint
from optimizer.documents.plan_file import read_plan
from optimizer.intake.import_report import ImportReport
from optimizer.journal import DoneRecord, IntentRecord, RunRecord
from optimizer.whatif.document import WhatIf
from tests.cli.command_line import ROOT, Answer, run, run_process
from tests.plan.estates import vm_id, vm_rows, write_inputs, write_rows

COMMANDS = sorted(cli.commands)
ON_AZURE = {"pull", "rehearse", "apply", "watch", "rollback", "emulate"}
"""Tried in test_azure_commands.py, where there is an Azure."""

OFFLINE = sorted(set(COMMANDS) - ON_AZURE)
EFFORT = ("--effort", 1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with vms.csv, load.parquet, an estate of two services, and its plan."""
    folder = tmp_path_factory.mktemp("home")
    vms, load = write_inputs(folder, "erp", "pay")
    assert run("import", "--vms", vms, "--load", load, "--out", folder / "estate").code == 0
    assert run("plan", folder / "estate", "--out", folder / "plan.json", *EFFORT).code == 0
    return folder


def arguments(home: Path, scratch: Path) -> dict[str, list[object]]:
    """Return one good call of every command that needs no Azure."""
    return {
        "demo": ["demo", scratch / "demo", "--vms", 3, *EFFORT],
        "import": ["import", "--vms", home / "vms.csv", "--load", home / "load.parquet", "--out", scratch / "estate"],
        "audit": ["audit", home / "estate"],
        "plan": ["plan", home / "estate", "--out", scratch / "plan.json", *EFFORT],
        "what-if": ["what-if", home / "estate", "max_moves=1", *EFFORT],
        "explain": ["explain", home / "plan.json", "erp-00"],
        "report": ["report", home / "plan.json", "--html", scratch / "report.html"],
    }


def test_every_command_is_tried(tmp_path: Path) -> None:
    """The calls below leave no command out."""
    assert sorted(arguments(tmp_path, tmp_path)) == OFFLINE


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    """Each ``--help`` says what the command does and ends with an example of it, which tests/documentation types."""
    answer = run(command, "--help")
    assert answer.code == 0
    assert answer.err == ""
    assert "\\b" not in answer.out
    assert f"backup-optimizer {command}" in answer.out.partition("Example:\n")[2]
    for option in ("--format [text|json]", "--quiet", "--verbose"):
        assert option in answer.out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns(command: str) -> None:
    """No line of a help text is wider than a terminal of 80 columns, blocks and examples included."""
    one = cli.commands[command] if command else cli
    name, settings = f"backup-optimizer {command}".rstrip(), {**cli.context_settings, "terminal_width": 80}
    text = click.Context(one, info_name=name, **settings).get_help()
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert '{"error": {"kind": "usage", "message": "...", "exit_code": 2}}' in text or command


def test_the_help_of_the_program_lists_commands_and_exit_codes() -> None:
    """``--help`` names every command, shows the month's round and says what the exit codes mean."""
    answer = run("--help")
    assert answer.code == 0
    assert "\\b" not in answer.out
    assert all(re.search(rf"^  {command}  ", answer.out, re.MULTILINE) for command in COMMANDS)
    assert re.findall(r"^    (\d+) ", answer.out, re.MULTILINE) == ["0", "1", "2", "3", "4", "5", "6", "10", "130"]
    assert answer.out.startswith("Usage: backup-optimizer ")


def test_help_needs_none_of_the_heavy_libraries() -> None:
    """No ``--help`` imports the solver, the data frames, the pictures or the tables."""
    script = """
import sys
from optimizer.cli import main
for args in [["--help"], ["--version"], *([command, "--help"] for command in sys.argv[1:])]:
    main(args)
heavy = {"ortools", "polars", "bokeh", "pydantic", "rich", "jinja2", "pandas"} & set(sys.modules)
sys.exit(str(sorted(heavy)) if heavy else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *COMMANDS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Usage:") == len(COMMANDS) + 1


def test_importing_the_package_imports_next_to_nothing() -> None:
    """``import optimizer`` is cheap; a name is loaded when it is first used."""
    script = """
import sys
import optimizer
heavy = {"numpy", "polars", "ortools", "pydantic", "bokeh", "rich"} & set(sys.modules)
assert not heavy, heavy
assert optimizer.Rules().max_moves is None
assert set(optimizer.__all__) <= set(dir(optimizer))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_version_is_that_of_the_distribution() -> None:
    """``--version`` prints name and number."""
    answer = run("--version")
    assert answer.code == 0
    assert re.fullmatch(r"backup-optimizer, version \d+\.\d+\.\d+\S*\n", answer.out)


SHAPES = {
    "demo": Summary,
    "import": ImportReport,
    "audit": Audit,
    "plan": Summary,
    "what-if": WhatIf,
    "explain": Explanation,
    "report": PlanDocument,
}


@pytest.mark.parametrize("command", OFFLINE)
def test_json_is_alone_on_stdout_and_quiet_is_silent(home: Path, tmp_path: Path, command: str) -> None:
    """With ``--format json`` stdout is one document of the documented shape; ``--quiet`` leaves stderr empty."""
    from pydantic import TypeAdapter

    answer = run(*arguments(home, tmp_path)[command], "--format", "json", "--quiet")
    assert (answer.code, answer.err) == (0, "")
    TypeAdapter(SHAPES[command]).validate_json(answer.out)
    assert isinstance(json.loads(answer.out), dict)


def test_audit_says_which_rules_are_broken_today(home: Path, tmp_path: Path) -> None:
    """With ``--rules`` each broken rule is named with its VMs, in text and in JSON; without, nobody looked."""
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "erp in turn"\nwhere = { service = "erp" }\nmax_concurrent = 2\n'
        '[[rule]]\nname = "not at noon"\nforbid = [{ from = "12:00", to = "12:30", zone = "UTC" }]\n',
        encoding="utf-8",
    )
    shown = run("audit", home / "estate", "--rules", rules)
    assert re.search(r"erp in turn +max_concurrent +12 +0 +erp-00, erp-01, erp-02 and 9 more", shown.out)
    assert "not at noon" not in shown.out
    (broken,) = json.loads(run("audit", home / "estate", "--rules", rules, "--format", "json").out)["broken_rules"]
    assert (broken["rule"], broken["demands"]) == ("erp in turn", ["max_concurrent"])
    assert broken["vms"] == [f"erp-{number:02d}" for number in range(12)]
    assert json.loads(run("audit", home / "estate", "--format", "json").out)["broken_rules"] is None


def test_plan_prints_the_summary_that_it_wrote(home: Path, tmp_path: Path) -> None:
    """``plan --format json`` prints exactly the summary of the file; ``report`` prints the whole plan."""
    answer = run("plan", home / "estate", "--out", tmp_path / "plan.json", *EFFORT, "--format", "json")
    written = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert json.loads(answer.out) == written["summary"]
    assert answer.err == f"plan: {tmp_path / 'plan.json'}\nrollback file: {tmp_path / 'plan.rollback.json'}\n"
    shown = run("report", tmp_path / "plan.json", "--estate", home / "estate", "--format", "json")
    assert json.loads(shown.out) == written


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--max-moves", -1, "'-1' is not a whole number of at least 0"),
        ("--max-policy-writes", "many", "'many' is not a whole number of at least 0"),
        ("--budget-days", 0, "'0' is not a whole number of at least 1"),
    ],
)
def test_limits_that_are_none_are_wrong_usage(
    home: Path, tmp_path: Path, option: str, value: object, said: str
) -> None:
    """A negative number of moves, a word for a number and no day are told before any work is done."""
    answer = run("plan", home / "estate", "--out", tmp_path / "plan.json", option, value)
    assert answer.code == 2
    assert said in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--html", "page.html", "--zone", "Europe/Berlyn"), "'Europe/Berlyn' is not a time zone"),
        (("--zone", "Europe/Berlin"), "give --html FILE as well"),
    ],
)
def test_a_wrong_zone_of_the_page_is_wrong_usage(home: Path, options: tuple[str, ...], said: str) -> None:
    """A zone that does not exist, and a zone without a page to show it, are refused before anything is read."""
    answer = run("report", home / "plan.json", *options)
    assert answer.code == 2
    assert said in answer.err


def test_the_page_begins_in_the_zone_of_the_option(home: Path, tmp_path: Path) -> None:
    """``report --html --zone`` writes a page whose times are in that zone."""
    page = tmp_path / "page.html"
    assert run("report", home / "plan.json", "--html", page, "--zone", "Asia/Tokyo").code == 0
    assert 'Start (<span data-zone="">Asia/Tokyo' in page.read_text("utf-8").replace("data-zone>", 'data-zone="">')


def test_limits_on_the_command_line_go_before_those_of_the_rules(home: Path, tmp_path: Path) -> None:
    """The rules in the plan are what was planned with: the option where there is one, else the file."""
    (tmp_path / "rules.toml").write_text("max_moves = 9\nbudget_days = 3\n", encoding="utf-8")
    given = ("--rules", tmp_path / "rules.toml", "--max-moves", 2, "--max-policy-writes", 1)
    assert run("plan", home / "estate", "--out", tmp_path / "plan.json", *given, *EFFORT).code == 0
    made = read_plan(tmp_path / "plan.json")
    assert (made.rules.max_moves, made.rules.max_policy_writes, made.rules.budget_days) == (2, 1, 3)
    assert 0 < made.summary.moved <= 2
    assert made.summary.policies_created + made.summary.policies_edited <= 1


@pytest.mark.thorough
def test_the_moves_curve_is_shown_kept_and_printed_as_json(home: Path, tmp_path: Path) -> None:
    """Text has the table, JSON the summary with the curve beside its figures, the plan and its report keep it."""
    out = tmp_path / "plan.json"
    answer = run("plan", home / "estate", "--out", out, "--moves-curve", *EFFORT)
    assert (answer.code, max(map(cell_len, answer.out.splitlines())) <= 100) == (0, True)
    assert "Gain by number of moves" in answer.out
    assert "plan --max-moves " in answer.out
    written = json.loads(out.read_text(encoding="utf-8"))
    shown = json.loads(run("plan", home / "estate", "--out", out, "--moves-curve", *EFFORT, "--format", "json").out)
    assert shown.pop("moves_curve") == written["moves_curve"]
    assert shown.keys() == written["summary"].keys()
    report = run("report", out, "--estate", home / "estate", "--html", tmp_path / "report.html")
    assert "Gain by number of moves" in report.out
    assert "What fewer moves would gain" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_journals_beside_the_plan_are_pointed_out_not_read(home: Path, tmp_path: Path) -> None:
    """What a plan depends on is said: a journal nearby changes nothing until it is given as history."""
    vm = read_plan(home / "plan.json").schedule[0].vm
    write_journal(tmp_path / "old.journal.jsonl", vm)
    call = ("plan", home / "estate", "--out", tmp_path / "plan.json", *EFFORT)
    answer = run(*call)
    assert answer.code == 0
    said = (
        f"old.journal.jsonl beside {tmp_path / 'plan.json'} records which VMs were moved; with --history {tmp_path}, "
    )
    assert said in answer.err
    assert read_plan(tmp_path / "plan.json").settings.recently_moved == {}
    write_journal(tmp_path / "zoo.journal.jsonl", vm_id("of-another-estate"))
    (tmp_path / "cut.journal.jsonl").write_text("{", encoding="utf-8")
    assert f"with --history {tmp_path / 'old.journal.jsonl'}, VMs" in run(*call).err
    (tmp_path / "old.journal.jsonl").unlink()
    assert "--history" not in run(*call).err


def write_journal(path: Path, vm: str) -> None:
    """Write a journal in which one VM was moved."""
    at, ids = DEMO_AS_OF, {"vault_id": "/v", "object_id": "/v/i", "name": "i"}
    records = (
        RunRecord(run=1, command="apply", at=at, plan_fingerprint="f", plan="plan.json", who="x", program="1"),
        IntentRecord(number=1, at=at, kind="reassign_item", vms=(vm,), before=None, body={}, **ids),
        DoneRecord(number=1, at=at, how="written", after=None),
    )
    path.write_text("".join(record.model_dump_json() + "\n" for record in records), encoding="utf-8")


def test_a_plan_is_repeated_with_its_own_history(home: Path, tmp_path: Path) -> None:
    """Given itself as history a plan knows the moves that it was made with."""
    from optimizer.documents.plan_file import write_plan

    made = read_plan(home / "plan.json")
    vm = made.schedule[0].vm
    known = made.settings.model_copy(update={"recently_moved": {vm: made.estate.as_of.date()}})
    write_plan(with_fingerprint(made.model_copy(update={"settings": known})), tmp_path / "old.json")
    answer = run("plan", home / "estate", "--out", tmp_path / "plan.json", "--history", tmp_path / "old.json", *EFFORT)
    assert answer.code == 0
    assert read_plan(tmp_path / "plan.json").settings.recently_moved == {vm: made.estate.as_of.date()}


def test_what_a_history_told_is_said(home: Path, tmp_path: Path) -> None:
    """Of a plan that was never applied: that none of its moves is in force; in the text, as JSON and in the plan."""
    call = ("plan", home / "estate", "--out", tmp_path / "plan.json", "--history", home / "plan.json", *EFFORT)
    moved = read_plan(home / "plan.json").summary.moved
    said = f"history: 0 of the {moved} moves of plan.json are in force (was it applied?); none counts as recent"
    assert said in " ".join(run(*call).out.split())
    (source,) = json.loads(run(*call, "--format", "json").out)["history"]
    expected = {"file": "plan.json", "kind": "plan", "moves": moved, "in_force": 0, "known_before": 0, "recent": 0}
    assert source == expected
    assert [one.model_dump() for one in read_plan(tmp_path / "plan.json").settings.history] == [expected]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same estate with names of every kind that are hard to lay out, and its plan."""
    folder = tmp_path_factory.mktemp("wide")
    write_inputs(folder)
    rows = [row for row in vm_rows() if row["service"] in {"erp", "shop"}]
    for row in rows:
        row["service"] = {"erp": "a-service-whose-name-never-ends-" * 4, "shop": "販売管理" * 12}.get(
            row["service"], row["service"]
        )
        row["policy"] = row["policy"] + "-of-the-department-of-long-and-winding-names-" * 2
        row["vault"] = row["vault"] + "-westeurope-production-recovery-services-vault"
    vms = write_rows(folder / "vms.csv", rows)
    assert run("import", "--vms", vms, "--load", folder / "load.parquet", "--out", folder / "estate").code == 0
    assert run("plan", folder / "estate", "--out", folder / "plan.json", *EFFORT).code == 0
    return folder


@pytest.fixture(scope="module")
def texts(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Answer]:
    """Return what a command prints as text; each command runs once."""
    scratch = tmp_path_factory.mktemp("texts")
    return cache(lambda command: run(*arguments(home, scratch)[command]))


@pytest.mark.parametrize("command", OFFLINE)
def test_no_line_is_wider_than_100_columns(texts: Callable[[str], Answer], command: str) -> None:
    """In a pipe or a file, text is laid out for 100 columns."""
    answer = texts(command)
    assert answer.code == 0
    assert len(answer.out.splitlines()) >= 3
    assert max(cell_len(line) for line in answer.out.splitlines()) <= 100


@pytest.mark.parametrize("command", [command for command in OFFLINE if command != "demo"])
def test_names_stay_whole_where_the_output_is_no_terminal(wide: Path, tmp_path: Path, command: str) -> None:
    """In a pipe or a file no name is shortened, however long it is; only lines of tables get longer for it."""
    answer = run(*arguments(wide, tmp_path)[command])
    assert answer.code == 0
    assert not {"…", "~"} & set(answer.out)
    long_lines = [line for line in answer.out.splitlines() if cell_len(line) > 100]
    assert all("-of-the-department-of-" in line or "販売管理" * 12 in line or "─" in line or "  " in line.strip()
               for line in long_lines)  # fmt: skip
    if command in {"audit", "plan", "report"}:
        assert "販売管理" * 12 in answer.out


LAST_LINES = {
    "demo": r"Plan: \d+ polic(y|ies) to create, \d+ to edit, \d+ VMs? to move|Plan: no changes",
    "audit": r"Audit: 16 VMs, \d+ often busy when backed up, \d+ services? backed up all at once",
    "plan": r"Plan: \d+ polic(y|ies) to create, \d+ to edit, \d+ VMs to move",
    "report": r"Plan: \d+ polic(y|ies) to create, \d+ to edit, \d+ VMs to move",
}


@pytest.mark.parametrize("command", LAST_LINES)
def test_the_last_line_can_be_searched_for(texts: Callable[[str], Answer], command: str) -> None:
    """The output ends with one sentence that sums it up."""
    answer = texts(command)
    assert re.fullmatch(LAST_LINES[command], answer.out.splitlines()[-1])


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_h_is_short_for_help(command: str) -> None:
    """``-h`` shows the same as ``--help``, and both are listed."""
    words = [command] if command else []
    short, long = run(*words, "-h"), run(*words, "--help")
    assert (short.code, short.out) == (0, long.out)
    assert "-h, --help" in short.out


def test_demo_leaves_estate_plan_and_report(tmp_path: Path) -> None:
    """The demo makes the three and says where they are; what it wrote can be explained and reported."""
    answer = run("demo", tmp_path / "demo", "--vms", 20, "--seed", 3, *EFFORT)
    assert answer.code == 0
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {
        "estate",
        "plan.json",
        "plan.rollback.json",
        "report.html",
    }
    for name in ("estate", "plan.json", "report.html"):
        assert str(tmp_path / "demo" / name) in answer.err
    headings = [answer.out.index(f"\n{text}\n===") for text in ("Audit: today's schedule", "Plan: a better schedule")]
    assert headings == sorted(headings)
    plan = read_plan(tmp_path / "demo" / "plan.json")
    assert plan.summary.vms >= 15  # a few of the twenty are not backed up on a schedule
    assert plan.estate.path == "estate"
    assert run("explain", tmp_path / "demo" / "plan.json", plan.schedule[0].vm).code == 0
    assert plan.settings.model_dump() == {"seed": 0, "effort": 1, "gap": 0.005, "time_limit_seconds": None}
    assert {one.name: one.default for one in cli.commands["demo"].params}["effort"] == 100
    again = run("demo", tmp_path / "demo", "--vms", 20)
    assert again.code == 1
    assert "is not empty" in again.err
    assert "--append" not in again.err, "demo has no such option"


def test_the_demo_searches_as_long_as_it_is_told(tmp_path: Path) -> None:
    """Effort and time limit are those of ``plan``; the seed is the estate's alone, so that ``plan`` finds the same."""
    given = ("--seed", 4, "--effort", 2, "--time-limit", 100)
    assert run("demo", tmp_path / "demo", "--vms", 12, *given).code == 0
    settings = read_plan(tmp_path / "demo" / "plan.json").settings
    assert settings.model_dump() == {"seed": 0, "effort": 2, "gap": 0.005, "time_limit_seconds": 100}
    options = [{one.name for one in cli.commands[name].params} for name in ("plan", "demo")]
    assert {"seed", "effort", "time_limit"} <= options[0] & options[1]


def test_the_exit_code_tells_changes_from_none(home: Path, tmp_path: Path) -> None:
    """``--detailed-exitcode``: 10 with changes, 0 without; without the option 0 either way."""
    out = tmp_path / "plan.json"
    assert run("plan", home / "estate", "--out", out, "--effort", 1, "--detailed-exitcode").code == 10
    assert read_plan(out).changes
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "all stay"\npin = true\n')
    nothing = run("plan", home / "estate", "--out", out, "--rules", rules, "--effort", 1, "--detailed-exitcode")
    assert nothing.code == 0
    assert read_plan(out).changes == ()


WRONG_USAGE: dict[str, tuple[list[object], str]] = {
    "no command": ([], "Usage: backup-optimizer"),
    "unknown command": (["plam"], "No such command 'plam'"),
    "unknown option": (["plan", "estate", "--efort", "3"], "No such option"),
    "argument missing": (["explain", "plan.json"], "Missing argument 'VM'"),
    "option missing": (["import", "--vms", __file__], "Missing option '--load'"),
    "unknown format": (["audit", "estate", "--format", "xml"], "'xml' is not one of 'text', 'json'"),
    "effort of nothing": (["plan", "estate", "--effort", "0"], "'0' is not a whole number from 1 to 10,000"),
    "effort in words": (["plan", "estate", "--effort", "much"], "'much' is not a whole number from 1 to 10,000"),
    "no time": (["plan", "estate", "--time-limit", "0"], "'0' is not a number above 0"),
    "time in words": (["plan", "estate", "--time-limit", "soon"], "'--time-limit': 'soon' is not a number above 0"),
    "a time that is none": (["plan", "estate", "--time-limit", "nan"], "'nan' is not a number above 0"),
    "half a move": (["plan", "estate", "--max-moves", "1.5"], "'1.5' is not a whole number of at least 0"),
    "all of a plan as a wave": (
        ["apply", "plan.json", "--wave", "100"],
        "'100' is not a number above 0 and below 100",
    ),
    "faults in percent": (["emulate", "e", "--faults", "5"], "'5' is not a number of at least 0 and at most 0.15"),
    "a seed of many digits": (
        ["plan", "estate", "--seed", "9" * 20],
        "is too large; allowed: a whole number from 0 to",
    ),
    "negative seed": (["plan", "estate", "--seed", "-1"], "'-1' is not a whole number of at least 0"),
    "no VMs": (["demo", "demo", "--vms", "0"], "'0' is not a whole number from 1 to 20,000"),
    "as-of without zone": (
        ["import", "--vms", __file__, "--load", __file__, "--out", "e", "--as-of", "2026-01-01T00:00"],
        "has no zone; add Z for UTC",
    ),
    "as-of in words": (
        ["import", "--vms", __file__, "--load", __file__, "--out", "e", "--as-of", "yesterday"],
        "is not a time; allowed: ISO 8601",
    ),
    "as-of outside the calendar": (
        ["import", "--vms", __file__, "--load", __file__, "--out", "e", "--as-of", "0001-01-01T00:00+14:00"],
        "is out of range; allowed: the years 2000 to 2099",
    ),
    "rehearsal at the end of time": (
        ["rehearse", __file__, "--from", "9999-12-31T23:00Z"],
        "is out of range; allowed: the years 2000 to 2099",
    ),
    "folder for a file": (["report", "."], "is a directory"),
    "file for a folder": (["audit", __file__], "is a file"),
}


@pytest.mark.parametrize("case", WRONG_USAGE)
def test_wrong_usage_ends_with_2(case: str) -> None:
    """A call that makes no sense is answered with what is wrong with it, and nothing is done."""
    args, expected = WRONG_USAGE[case]
    answer = run(*args)
    assert answer.code == 2
    assert answer.out == ""
    assert expected in answer.err
    assert "Error: " not in answer.err  # every message begins with "error: "
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("command", [pytest.param("audit", marks=pytest.mark.thorough), "plan"])
def test_verbose_tells_the_stages(home: Path, tmp_path: Path, command: str) -> None:
    """``--verbose`` says on stderr how long each stage took, and stdout stays as it is."""
    args = arguments(home, tmp_path)[command]
    quiet, verbose = run(*args, "--quiet", "--format", "json"), run(*args, "--verbose", "--format", "json")
    lines = re.findall(r"^ +\d+\.\d s  ([a-z ]+): (\d+) of (\d+)", verbose.err, re.MULTILINE)
    assert lines
    assert all(int(done) >= int(total) for _, done, total in lines)
    drop = re.compile(r'"seconds": [\d.]+')
    assert drop.sub("", verbose.out) == drop.sub("", quiet.out)


def test_import_takes_the_time_that_it_is_told(home: Path, tmp_path: Path) -> None:
    """``--as-of`` is read with its offset."""
    args = arguments(home, tmp_path)["import"]
    answer = run(*args, "--as-of", "2026-02-23T02:00+01:00", "--format", "json")
    assert json.loads(answer.out)["as_of"] == "2026-02-23T01:00:00Z"


@pytest.mark.thorough
def test_a_program_of_its_own_behaves_the_same(home: Path, tmp_path: Path) -> None:
    """In a fresh process, warnings being errors, every stage from the estate to the report works."""
    planned = run_process("plan", home / "estate", "--out", tmp_path / "plan.json", *EFFORT, "--format", "json")
    assert (planned.code, planned.err) == (
        0,
        f"plan: {tmp_path / 'plan.json'}\nrollback file: {tmp_path / 'plan.rollback.json'}\n",
    )
    reported = run_process("report", tmp_path / "plan.json", "--html", tmp_path / "report.html", "--quiet")
    assert (reported.code, reported.err) == (0, "")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    here, there = read_plan(home / "plan.json"), read_plan(tmp_path / "plan.json")
    assert there.schedule == here.schedule
    assert there.changes == here.changes


def test_an_interrupt_is_no_traceback(home: Path, tmp_path: Path) -> None:
    """Stopped by the user, the program says so, leaves no plan and says how the best so far is had."""
    interrupt = """
import os, signal, sys, threading, time
def waits_for_the_search():
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame is not None and frame.f_globals.get("__name__") != "optimizer.solve.effort.clock":
        frame = frame.f_back
    return frame is not None
def stop():
    while not waits_for_the_search():
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=stop, daemon=True).start()
"""
    answer = run_process(
        "plan", home / "estate", "--out", tmp_path / "plan.json", "--effort", 10_000, before=interrupt
    )
    told = (
        "stopped before the end: no plan was written; to keep the best schedule found within a time, use "
        "--time-limit SECONDS"
    )
    assert (answer.code, answer.err.strip()) == (130, told)
    assert list(tmp_path.iterdir()) == []


def test_what_reads_the_output_may_stop_reading(home: Path) -> None:
    """Piped into something that closes early, the program ends quietly."""
    script = "import sys; from optimizer.cli import main; main(sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", script, "report", home / "plan.json", "--format", "json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode in {0, 1}


def test_a_plan_gives_way_to_the_next(home: Path, tmp_path: Path) -> None:
    """Planning again over a plan replaces it; nothing else is left in the folder."""
    out = tmp_path / "plan.json"
    for seed in (1, 2):
        assert run("plan", home / "estate", "--out", out, "--effort", 1, "--seed", seed).code == 0
        assert read_plan(out).settings.seed == seed
    assert sorted(tmp_path.iterdir()) == [out, tmp_path / "plan.rollback.json"]


def test_explain_knows_the_estate_that_it_is_told(home: Path, tmp_path: Path) -> None:
    """A plan that was moved is explained with ``--estate``, and says so without it."""
    moved = tmp_path / "plan.json"
    moved.write_bytes((home / "plan.json").read_bytes())
    lost = run("explain", moved, "erp-00")
    assert lost.code == 1
    assert "give its folder with --estate" in lost.err
    found = run("explain", moved, "erp-00", "--estate", home / "estate")
    assert found.code == 0
    assert found.out == run("explain", home / "plan.json", "erp-00").out


def test_click_context_is_usable() -> None:
    """Names of options do not clash: every command builds its parser."""
    for command in cli.commands.values():
        names = [option for param in command.params for option in (*param.opts, *param.secondary_opts)]
        assert len(names) == len(set(names))
        assert isinstance(click.Context(command).get_help(), str)


@pytest.fixture(scope="module")
def demo_estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an estate as the demo makes it, smaller."""
    folder = tmp_path_factory.mktemp("demo") / "estate"
    generate_demo(folder, vms=30, seed=1, weeks=3)
    return folder


@pytest.mark.parametrize("sample", ["business-hours", "defaults", "minimal", "regulated"])
def test_the_sample_rules_plan_the_demo(root: Path, demo_estate: Path, tmp_path: Path, sample: str) -> None:
    """What the project shows as rules works on what it shows as an estate."""
    rules = root / "data" / "rules" / f"{sample}.toml"
    answer = run("plan", demo_estate, "--rules", rules, "--out", tmp_path / "plan.json", "--effort", 1)
    assert answer.code == 0, answer.err


def test_the_rules_of_the_readme_plan_the_demo(root: Path, demo_estate: Path, tmp_path: Path) -> None:
    """So do those that the README shows."""
    text = (root / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert block
    (tmp_path / "rules.toml").write_text(block[1], encoding="utf-8")
    args = ("--rules", tmp_path / "rules.toml", "--out", tmp_path / "plan.json", "--effort", 1)
    answer = run("plan", demo_estate, *args)
    assert answer.code == 0, answer.err
