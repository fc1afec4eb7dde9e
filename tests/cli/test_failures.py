"""How an error becomes a message, JSON and an exit code."""

from __future__ import annotations

import json

import click
import pytest

from optimizer.cli.failures import Failure, asks_for_json, failure_of, kind_of, report_failure
from optimizer.errors import ConfigError, RejectedError, UsageError

REJECTED = RejectedError("vault weu: refused; try again", code="BMSUserError", status=400)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConfigError("rules.toml: no such key"), Failure("config", "rules.toml: no such key", 1)),
        (UsageError("--zone is none"), Failure("usage", "--zone is none", 2)),
        (REJECTED, Failure("rejected", "vault weu: refused; try again", 1, "BMSUserError")),
        (click.BadParameter("no number"), Failure("usage", "Invalid value: no number", 2)),
        (click.FileError("x", "is gone"), Failure("file", "Could not open file 'x': is gone", 1)),
        (KeyboardInterrupt(), Failure("interrupted", "stopped before the end", 130)),
        (
            click.Abort("nothing was written"),
            Failure("interrupted", "stopped before the end: nothing was written", 130),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_error_has_a_name_and_a_code(error: BaseException, expected: Failure) -> None:
    """Errors of the product, of click and of the user's Ctrl-C are described alike."""
    assert failure_of(error) == expected


def test_the_name_of_an_error_is_in_snake_case() -> None:
    """A program reads ``not_sent``, not ``NotSentError``."""
    assert [kind_of(type(name, (Exception,), {})) for name in ("NotSentError", "PlanError", "BusyException")] == [
        "not_sent",
        "plan",
        "busy",
    ]


def test_json_has_the_code_of_azure_only_where_there_is_one() -> None:
    """What else is known about a failure is beside the error, not in it."""
    assert json.loads(Failure("estate", "gone", 1).as_json(vms=2)) == {
        "error": {"kind": "estate", "message": "gone", "exit_code": 1},
        "vms": 2,
    }
    assert json.loads(failure_of(REJECTED).as_json())["error"]["code"] == "BMSUserError"


@pytest.mark.parametrize("args", [["plan"], ["plan", "--format", "json"]], ids=["text", "json"])
def test_a_failure_is_reported_once_on_each_stream(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence goes to stderr, and JSON to stdout if it was asked for."""
    assert report_failure(REJECTED, args) == 1
    printed = capsys.readouterr()
    assert printed.err == "error: vault weu: refused; try again\n"
    assert bool(printed.out) is ("json" in args)


def test_wrong_usage_begins_like_every_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Click's own ``Error:`` becomes ``error:``."""
    assert report_failure(click.UsageError("Missing argument 'ESTATE'."), ["plan"]) == 2
    assert capsys.readouterr().err == "error: Missing argument 'ESTATE'.\n"


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ("plan e --format json", True),
        ("--format=json plan e", True),
        ("plan e --format json --format text", False),
        ("plan e --format text --format json", True),
        ("plan e", False),
        ("explain plan.json -- --format json", False),
        ("plan --format", False),
    ],
)
def test_json_is_seen_in_any_call(args: str, expected: bool) -> None:
    """The wish for JSON is seen although the rest of the call is wrong; the last ``--format`` counts."""
    assert asks_for_json(args.split()) is expected
