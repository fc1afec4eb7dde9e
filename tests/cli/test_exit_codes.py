"""Every documented exit code comes out of the installed command, and every error is JSON where JSON is wanted.

The commands run in processes of their own, by the machine's clock: what is expected here holds at every time of day.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from optimizer.cli import EXIT_CODES, cli
from optimizer.cli.failures import kind_of
from optimizer.demo.generate import generate_demo
from optimizer.errors import OptimizerError
from tests.azure.clouds import subscriptions_of
from tests.cli.command_line import ROOT, Answer, run
from tests.plan.estates import write_inputs

COMMANDS = sorted(cli.commands)
IMPOSSIBLE = """
[[rule]]
name = "day"
allow = [{ from = "10:00", to = "14:00", zone = "UTC" }]
[[rule]]
name = "night"
allow = [{ from = "22:00", to = "02:00", zone = "UTC" }]
"""


def program() -> list[str]:
    """The installed command; the package run as a program where it is not installed beside this Python."""
    installed = shutil.which("backup-optimizer", path=str(Path(sys.executable).parent))
    return [installed] if installed else [sys.executable, "-m", "optimizer.cli"]


def start(*args: object, **variables: str) -> subprocess.Popen[str]:
    """Start the command as a user does, with more environment variables."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    call = [*program(), *map(str, args)]
    return subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def call(*args: object, **variables: str) -> Answer:
    """Run the command as a user does, to its end."""
    with start(*args, **variables) as process:
        out, err = process.communicate(timeout=120)
    return Answer(process.returncode, out, err)


def error_of(answer: Answer) -> dict[str, Any]:
    """Return the error that stdout holds as JSON alone."""
    error: dict[str, Any] = json.loads(answer.out)["error"]
    return error


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an estate, a plan whose budget is one policy a day, and impossible rules."""
    folder = tmp_path_factory.mktemp("home")
    generate_demo(folder / "estate", vms=25, weeks=1)
    (folder / "rules.toml").write_text("[policies]\nmax_writes_per_day = 1\n")
    (folder / "impossible.toml").write_text(IMPOSSIBLE)
    planned = run(
        "plan", folder / "estate", "--rules", folder / "rules.toml", "--out", folder / "plan.json", "--effort", 1
    )
    assert planned.code == 0, planned.err
    return folder


@pytest.fixture(scope="module")
def emulated(home: Path) -> Iterator[dict[str, str]]:
    """Serve the estate by the installed command; variables that lead other commands to it."""
    with start("emulate", home / "estate", "--format", "json") as process:
        assert process.stdout is not None and process.stderr is not None
        shown = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        del shown["pull"]  # a command, not a variable
        yield {**shown, "BACKUP_OPTIMIZER_STATE": str(home / "state")}
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_the_codes_below_are_the_documented_ones() -> None:
    """``--help`` lists the nine codes that these tests show."""
    assert re.findall(r"^  (\d+) ", EXIT_CODES, re.MULTILINE) == ["0", "1", "2", "3", "4", "5", "6", "10", "130"]


def test_0_success(home: Path) -> None:
    """A plan is shown."""
    answer = call("report", home / "plan.json", "--format", "json")
    assert (answer.code, answer.err) == (0, "")
    assert json.loads(answer.out)["summary"]


def test_1_error(home: Path) -> None:
    """There is no such estate: said on stderr and, as JSON, on stdout."""
    answer = call("audit", home / "nothing", "--format", "json")
    assert answer.code == 1
    assert error_of(answer) == {"kind": "estate", "message": answer.err[len("error: ") : -1], "exit_code": 1}
    assert "nothing" in answer.err


def test_2_wrong_usage() -> None:
    """An unknown option is answered with similar options, and stdout is the example of ``docs/exit-codes.md``."""
    answer = call("plan", "estate", "--efort", "3", "--format=json")
    assert answer.code == 2
    assert error_of(answer)["kind"] == "usage"
    assert error_of(answer)["message"] in answer.err
    example = re.search(r"```json\n(.*?)```", (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None and answer.out == example[1]


def test_3_no_schedule(home: Path) -> None:
    """Two rules leave no time: the error and the conflict are in the JSON."""
    args = ("plan", home / "estate", "--rules", home / "impossible.toml", "--out", home / "no.json", "--effort", 1)
    answer = call(*args, "--format", "json")
    assert answer.code == 3, answer
    assert error_of(answer) == {
        "kind": "no_schedule",
        "message": "no schedule satisfies the rules",
        "exit_code": 3,
    }
    assert json.loads(answer.out)["conflicts"]
    assert answer.err == "error: no schedule satisfies the rules\n"
    assert not (home / "no.json").exists()


def test_4_stale_plan(home: Path, tmp_path: Path) -> None:
    """The estate is another one than the plan was made for."""
    generate_demo(tmp_path / "estate", vms=25, weeks=1, seed=2)
    answer = call("report", home / "plan.json", "--estate", tmp_path / "estate", "--format", "json")
    assert answer.code == 4, answer
    assert (error_of(answer)["kind"], error_of(answer)["exit_code"]) == ("stale_plan", 4)


def test_5_applied_in_part(home: Path, emulated: dict[str, str]) -> None:
    """A budget of one policy a day leaves the other writes for later."""
    answer = call("apply", home / "plan.json", "--yes", "--format", "json", "--quiet", **emulated)
    assert (answer.code, answer.err) == (5, ""), answer
    assert json.loads(answer.out)["pending"]


def test_6_findings(home: Path, emulated: dict[str, str]) -> None:
    """One of two vaults does not exist: the other is pulled, and the exit code says that something is missing."""
    from optimizer.estate.folder import open_estate

    document = open_estate(home / "estate").document
    vault = str(document.vaults[0]["id"])
    scope = ("--vault", vault, "--vault", f"{vault}-lost", "--days", 1, "--job-days", 1)
    answer = call("pull", *scope, "--out", home / "pulled", "--format", "json", **emulated)
    assert answer.code == 6, answer
    assert [failure["what"] for failure in json.loads(answer.out)["failures"]] == [f"vault {vault}-lost"]
    assert subscriptions_of(open_estate(home / "pulled").document)


def test_10_changes(home: Path) -> None:
    """A pipeline learns that the plan has changes."""
    args = ("--out", home / "again.json", "--effort", 1, "--detailed-exitcode", "--format", "json")
    answer = call("plan", home / "estate", *args)
    assert answer.code == 10, answer
    assert json.loads(answer.out)["moved"] > 0


def test_130_stopped(home: Path) -> None:
    """Ctrl-C ends the search: no plan, no traceback."""
    out = home / "stopped.json"
    with start("plan", home / "estate", "--out", out, "--effort", 10_000, "--verbose", "--format", "json") as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        shown, err = process.communicate(timeout=60)
    answer = Answer(process.returncode, shown, first + err)
    assert answer.code == 130, answer
    assert (error_of(answer)["kind"], error_of(answer)["exit_code"]) == ("interrupted", 130)
    assert "no plan was written" in error_of(answer)["message"]
    assert "Traceback" not in answer.err
    assert not out.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_answers_wrong_usage_in_json(command: str) -> None:
    """An unknown option gives the same error as JSON on stdout as in words on stderr."""
    answer = run(command, "--colour", "--format", "json")
    assert answer.code == 2
    error = error_of(answer)
    assert (error["kind"], error["exit_code"]) == ("usage", 2)
    assert error["message"] in answer.err


LOST: dict[str, list[str]] = {
    "demo": ["demo", "https://elsewhere.example/demo"],
    "import": ["import", "--vms", __file__, "--load", __file__, "--out", "lost"],
    "audit": ["audit", "lost"],
    "plan": ["plan", "lost"],
    "what-if": ["what-if", "lost", "max_moves=1"],
    "explain": ["explain", "lost.json", "vm"],
    "report": ["report", "lost.json"],
    "rehearse": ["rehearse", "lost.json"],
    "apply": ["apply", "lost.json", "--yes"],
    "watch": ["watch", "lost.json"],
    "rollback": ["rollback", "lost.journal.jsonl", "--yes"],
    "emulate": ["emulate", "lost"],
    "pull": ["pull", "--subscription", "lost", "--out", "https://elsewhere.example/estate"],
}
"""A call of each command with something that is not there or not usable."""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_answers_errors_in_json(command: str) -> None:
    """What is not there gives the same error as JSON on stdout as in words on stderr, with its kind and code."""
    answer = run(*LOST[command], "--format", "json")
    assert answer.code == 1, answer
    error = error_of(answer)
    assert answer.err == f"error: {error['message']}\n"
    assert error["exit_code"] == 1
    assert error["kind"] in {"estate", "data", "plan_format", "apply", "journal"}
    assert run(*LOST[command]).out == ""


MALFORMED = [
    "pull --out p",
    "pull --subscription x --out p",
    "pull --management-group a/b --out p",
    "pull --vault foo --out p",
    "pull --subscription 00000000-0000-0000-0000-000000000000 --workspace x --out p",
    "import --vms {vms} --load {load} --zone Foo/Bar --out o",
    "import --resources {load} --load {load} --resource-group rg-backup --out o",
    "what-if {estate} foo=bar",
    "what-if {estate} max_moves=many",
    "what-if {estate} prices.snapshot_overlap=-1",
    "what-if {estate} add-vms=count=0",
    "what-if {estate} forbid=tomorrow",
    "what-if {estate} add-rule={{name}}",
    "rehearse {plan} --only foo",
    "rehearse {plan} --only tier=db",
    "rehearse {plan} --from noon",
]
"""Calls with a malformed value of an option."""

MISSING = [
    "import --vms no.csv --load {load} --out o",
    "import --vms {vms} --load no.csv --out o",
    "import --resources no.json --load {load} --out o",
    "audit {estate} --rules no.toml",
    "plan {estate} --rules no.toml",
    "what-if {estate} --scenarios no.toml",
    "plan {estate} --history no.jsonl",
    "what-if {estate} add-rule=no.toml",
    "what-if {estate} lose-vault=no",
    "what-if {estate} drop-rule=no",
    "report {plan} --estate no",
    "explain {plan} no",
    "rehearse {plan} --only vm=no",
    "watch {plan} --ca-file no.pem --emulator https://127.0.0.1:9",
]
"""Calls that name something well that does not exist."""


def filled(text: str, home: Path, tmp_path: Path) -> list[str]:
    """Return the arguments of a call with the files of these tests."""
    if not (tmp_path / "vms.csv").exists():
        write_inputs(tmp_path)
    names = {"estate": home / "estate", "plan": home / "plan.json"}
    return text.format(vms=tmp_path / "vms.csv", load=tmp_path / "load.parquet", **names).split()


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_value_of_an_option_is_wrong_usage(text: str, home: Path, tmp_path: Path) -> None:
    """It would fail with every estate: code 2, whichever part of the program finds it."""
    answer = run(*filled(text, home, tmp_path), "--format", "json")
    assert answer.code == 2, answer
    assert (error_of(answer)["kind"], error_of(answer)["exit_code"]) == ("usage", 2)
    assert error_of(answer)["message"] in answer.err


@pytest.mark.parametrize("text", MISSING)
def test_something_that_does_not_exist_is_an_error(text: str, home: Path, tmp_path: Path) -> None:
    """Files, folders and names that do not exist give code 1, whichever option names them."""
    answer = run(*filled(text, home, tmp_path), "--format", "json")
    assert answer.code == 1, answer
    assert error_of(answer)["exit_code"] == 1
    assert error_of(answer)["kind"] != "usage"
    assert re.search(r"\bno\b", answer.err), "the message names what is missing"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize(
    ("args", "unbuffered"),
    [
        (["report"], ""),
        (["report", "--format", "json"], "1"),
        (["--help"], ""),
        (["--help"], "1"),
        (["audit", "--format", "json"], ""),
    ],
)
def test_output_that_cannot_be_written_is_one_line(home: Path, args: list[str], unbuffered: str) -> None:
    """A full disk behind stdout ends with a sentence and code 1, also where an error was to be printed as JSON."""
    place = {"report": [str(home / "plan.json")], "audit": [str(home / "nothing")]}.get(args[0], [])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*program(), *args, *place], env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == (
        "error: the output cannot be written: No space left on device; free some space or write elsewhere\n"
    )


def test_an_error_cannot_steer_the_terminal() -> None:
    """Escape sequences in a name are shown as question marks on stderr; JSON has them escaped."""
    answer = run("audit", "lost\x1b[31m", "--format", "json")
    assert "\x1b" not in answer.err and "lost?[31m" in answer.err
    assert "\x1b" not in answer.out and "lost\x1b[31m" in error_of(answer)["message"]


def test_the_documented_kinds_are_those_of_the_errors(root: Path) -> None:
    """``docs/exit-codes.md`` lists the kind and the exit code of every error that a command may end with."""
    import_everything()
    text = (root / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (\d+) \|", text, re.MULTILINE)
    documented = {(kind, int(code)) for kinds, code in rows for kind in re.findall(r"\w+", kinds)}
    classes = list(subclasses(OptimizerError))
    expected = {(kind_of(one), one.exit_code) for one in classes if one.__name__ != "PlanError"}
    assert documented == expected | {("usage", 2), ("interrupted", 130)}
    assert re.findall(r"^\| (\d+) \|", text, re.MULTILINE) == re.findall(r"^  (\d+) ", EXIT_CODES, re.MULTILINE)


def subclasses(parent: type[OptimizerError]) -> Iterator[type[OptimizerError]]:
    """Classes below one, those of tests left out."""
    for one in parent.__subclasses__():
        if one.__module__.startswith("optimizer."):
            yield one
            yield from subclasses(one)


def import_everything() -> None:
    """Import the modules that define errors, so that their classes are known."""
    for name in ("errors", "solve.why_not.no_schedule"):
        importlib.import_module(f"optimizer.{name}")
