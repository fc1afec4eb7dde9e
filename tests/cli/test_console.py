"""Where a command prints what, and the types of its paths."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.text import Text

from optimizer.cli.console import ESTATE, EXISTING_FILE, NEW_FOLDER, Screen, common_options, example, words_given
from optimizer.errors import DataError, OptimizerError


@click.command()
@click.option("--only", multiple=True)
@click.option("--estate")
@click.option("--resume", is_flag=True)
@click.option("--token", envvar="TOKEN_OF_TEST")
@click.pass_context
def repeated(context: click.Context, **_options: object) -> None:
    """A command that repeats its options."""
    del context
    click.echo(json.dumps(words_given("--only", "--estate", "--resume", "--token")))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], []),
        (["--only", "a", "--only", "b"], ["--only", "a", "--only", "b"]),
        (["--resume", "--estate", "estate"], ["--estate", "estate", "--resume"]),
        (["--estate", "abfs://me:secret@account/estate"], ["--estate", "abfs://me@account/estate"]),
        (["--estate", ""], []),
    ],
)
def test_options_are_repeated_as_they_were_given(args: list[str], expected: list[str]) -> None:
    """Defaults are left out, flags have no value, and a password is never shown again."""
    assert json.loads(CliRunner().invoke(repeated, args).output) == expected


def test_options_of_the_environment_are_repeated_too() -> None:
    """A command that is pasted into another shell has to find the same service."""
    answer = CliRunner().invoke(repeated, [], env={"TOKEN_OF_TEST": "here"})
    assert json.loads(answer.output) == ["--token", "here"]


def test_text_ends_with_the_line_to_search_for(capsys: pytest.CaptureFixture[str]) -> None:
    """The result and its last line are on stdout, with an empty line between them."""
    Screen(as_json=False, quiet=False, verbose=False).show(Text("a table"), "{}", "Plan: 2 VMs to move")
    assert capsys.readouterr() == ("a table\n\nPlan: 2 VMs to move\n", "")


def test_json_is_alone_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """Headings and last lines belong to the text."""
    screen = Screen(as_json=True, quiet=False, verbose=False)
    screen.heading("Plan")
    screen.show(Text("a table"), '{"vms": 2}', "Plan: 2 VMs to move")
    assert capsys.readouterr() == ('{"vms": 2}\n', "")


@pytest.mark.parametrize("quiet", [False, True])
def test_remarks_and_the_log_of_the_solver_go_to_stderr(capsys: pytest.CaptureFixture[str], quiet: bool) -> None:
    """``--quiet`` hides both; afterward, the log is as it was."""
    screen, log = Screen(as_json=False, quiet=quiet, verbose=False), logging.getLogger("optimizer.solve.test")
    handlers = list(logging.getLogger("optimizer.solve").handlers)
    with screen.progress():
        log.info("compiling")
    screen.remark("plan: plan.json")
    assert capsys.readouterr() == ("", "" if quiet else "compiling\nplan: plan.json\n")
    assert logging.getLogger("optimizer.solve").handlers == handlers


def test_verbose_names_a_stage_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Steps on the way are not printed."""
    with Screen(as_json=False, quiet=False, verbose=True).progress() as report:
        report("reading", 1, 2)
        report("reading", 2, 2, "3 MB")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.endswith(" s  reading: 2 of 2  3 MB\n")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("as_json", [False, True])
def test_a_refusal_is_explained(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    """Text goes to stderr in full; with JSON, stderr gets the headline only."""
    Screen(as_json, quiet=False, verbose=False).refuse(Text("because"), "no schedule", '{"error": 1}')
    out, err = capsys.readouterr()
    assert out == ('{"error": 1}\n' if as_json else "")
    assert err == ("error: no schedule\n" if as_json else "error: no schedule\nbecause\n")


def test_every_command_has_a_screen() -> None:
    """``--format``, ``--quiet`` and ``--verbose`` become the command's screen."""

    @click.command()
    @common_options
    def command(screen: Screen) -> None:
        click.echo(f"{screen.as_json} {screen.quiet} {screen.verbose}")

    assert CliRunner().invoke(command, ["--format", "json", "-q"]).output == "True True False\n"
    assert CliRunner().invoke(command, ["-v"]).output == "False False True\n"


def test_an_estate_is_a_folder_or_a_url(tmp_path: Path) -> None:
    """A URL is kept as it is; a path becomes a ``Path``; a file is neither."""
    assert ESTATE.convert("abfs://account/estate", None, None) == "abfs://account/estate"
    assert ESTATE.convert(str(tmp_path), None, None) == tmp_path
    (tmp_path / "plan.json").touch()
    with pytest.raises(click.BadParameter, match="is a file"):
        ESTATE.convert(str(tmp_path / "plan.json"), None, None)


def test_an_estate_is_written_to_this_machine_only(tmp_path: Path) -> None:
    """A new folder may not be named by URL."""
    assert NEW_FOLDER.convert(str(tmp_path / "estate"), None, None) == tmp_path / "estate"
    with pytest.raises(OptimizerError, match="abfs://account/estate"):
        NEW_FOLDER.convert("abfs://account/estate", None, None)


def test_a_file_to_read_must_exist(tmp_path: Path) -> None:
    """The message names the path, and the option where there is one."""
    (tmp_path / "vms.csv").touch()
    assert EXISTING_FILE.convert(str(tmp_path / "vms.csv"), None, None) == tmp_path / "vms.csv"
    with pytest.raises(DataError, match=r"^--load .*load\.csv: no such file; check the path"):
        EXISTING_FILE.convert(str(tmp_path / "load.csv"), click.Option(["--load"]), None)


def test_examples_keep_their_lines() -> None:
    """Click wraps paragraphs unless they begin with its mark."""
    assert example("backup-optimizer audit estate\nbackup-optimizer report plan.json") == (
        "\b\nExample:\n  backup-optimizer audit estate\n  backup-optimizer report plan.json"
    )
