"""How a command fails: a message on stderr, JSON on stdout where JSON is wanted, and an exit code."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from optimizer.errors import CloudError, OptimizerError
from optimizer.report import printable, wrapped

STOPPED = 130
"""Exit code after Ctrl-C, as shells have it."""


OUTPUT_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Error numbers of output that cannot be written, such as a full disk."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure of a command.

    Parameters
    ----------
    kind
        Name of the error for a program: ``usage``, ``interrupted``, or the class of the error, such as ``config``,
        ``estate``, ``stale_plan``, ``auth`` or ``forbidden``.
    message
        The sentence for a person, without ``error:`` in front.
    exit_code
        Exit code of the command.
    code
        Error code of Azure; empty where Azure gave none.
    """

    kind: str
    message: str
    exit_code: int
    code: str = ""

    def as_json(self, **more: Any) -> str:
        """One JSON object with the key ``error`` and all details of the failure."""
        error: dict[str, Any] = {"kind": self.kind, "message": self.message, "exit_code": self.exit_code}
        if self.code:
            error["code"] = self.code
        return json.dumps({"error": error, **more}, indent=1)


def failure_of(error: BaseException) -> Failure:
    """Describe an error that a command may end with.

    Parameters
    ----------
    error
        An :class:`~optimizer.errors.OptimizerError`, an error of click, or what Ctrl-C raises.
    """
    if isinstance(error, OptimizerError):
        code = error.code if isinstance(error, CloudError) else ""
        return Failure(kind_of(type(error)), str(error), error.exit_code, code)
    if isinstance(error, click.ClickException):
        kind = "usage" if isinstance(error, click.UsageError) else kind_of(type(error))
        return Failure(kind, error.format_message(), error.exit_code)
    return Failure("interrupted", f"stopped before the end{f': {error}' if str(error) else ''}", STOPPED)


def kind_of(error: type[BaseException]) -> str:
    """Name of a class in snake case without "Error", e.g. ``stale_plan`` of ``StalePlanError``."""
    name = error.__name__.removesuffix("Error").removesuffix("Exception")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def report_failure(error: BaseException, args: Sequence[str]) -> int:
    """Print a failure, and return the exit code.

    Parameters
    ----------
    error
        See :func:`failure_of`.
    args
        Arguments of the program: where they ask for JSON, stdout gets the failure as JSON.
    """
    failure = failure_of(error)
    if asks_for_json(args):
        click.echo(failure.as_json())
    if isinstance(error, click.ClickException):
        text = io.StringIO()
        error.show(text)  # with the usage and the hint where to find help
        say(re.sub(r"(?m)^Error: ", "error: ", text.getvalue().rstrip("\n"), count=1))  # as all other messages
    else:
        prefix = "error: " if isinstance(error, OptimizerError) else ""
        say(f"{prefix}{failure.message}")
    return failure.exit_code


def say(text: str) -> None:
    """Print a message to stderr: wrapped on a terminal, unchanged elsewhere so that it can be searched."""
    shown = printable(text)
    if sys.stderr.isatty():
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
        shown = wrapped(shown, columns) if columns else shown  # 0: a terminal that does not know its width
    click.echo(shown, err=True)


def drop_stdout() -> None:
    """Drop output that could not be written, so that Python does not fail again when it flushes stdout at the end."""
    with contextlib.suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)


def asks_for_json(args: Sequence[str]) -> bool:
    """Whether ``--format json`` is among arguments that may be wrong otherwise; the last ``--format`` counts."""
    wanted = ""
    before = ""
    for arg in args:
        if arg == "--":
            break
        if before == "--format":
            wanted = arg
        elif arg.startswith("--format="):
            wanted = arg.removeprefix("--format=")
        before = arg
    return wanted == "json"
