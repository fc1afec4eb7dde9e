"""A machine on which the product's commands are run, each in a process of its own that can be killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

# The server of forks loads what the commands need once.
import optimizer.azure.service
import optimizer.cli
import optimizer.documents.plan_file
import optimizer.report.json_rollout
import optimizer.report.terminal.rollout
import optimizer.rollout.carry_out.run
import optimizer.rollout.prepare.for_apply
from tests.benchmarks.write_judge.shared_clock import SharedClock

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])

_PATIENCE_SECONDS = 300.0
"""A command that takes longer, on a clock that jumps, hangs."""

_COLORS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Result:
    """How a command ended.

    Parameters
    ----------
    code
        Exit code; negative: killed by this signal.
    out, err
        What it printed.
    """

    code: int
    out: str
    err: str

    @property
    def content(self) -> dict[str, Any]:
        """JSON that it printed; empty where there is none."""
        try:
            found = json.loads(self.out)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def said(self) -> str:
        """Everything that it printed."""
        return _COLORS.sub("", f"{self.out}\n{self.err}")


@dataclass
class Machine:
    """A machine with a state folder of its own.

    Parameters
    ----------
    name
        Its name.
    folder
        Where its plan, journals and state are.
    endpoint, ca_file
        Azure, as it sees it.
    clock_file
        The clock.
    ahead
        How much its clock is ahead.
    """

    name: str
    folder: Path
    endpoint: str
    ca_file: Path
    clock_file: Path
    ahead: timedelta = timedelta()
    said: list[str] = field(default_factory=list)

    def run(self, arguments: Sequence[str], started: Callable[[int], None] = lambda _pid: None) -> Result:
        """Run a command to its end, or to its death.

        Parameters
        ----------
        arguments
            Of the command line.
        started
            Told the id of the process.
        """
        return self.wait(self.start(arguments, started))

    def start(self, arguments: Sequence[str], started: Callable[[int], None] = lambda _pid: None) -> BaseProcess:
        """Start a command."""
        more = ["--emulator", self.endpoint, "--ca-file", str(self.ca_file)]
        environment = {"BACKUP_OPTIMIZER_STATE": str(self.folder / "state"), "NO_COLOR": "1", "COLUMNS": "400"}
        given = ([*arguments, *more], environment, self.clock_file, self.ahead, self.folder)
        process = CONTEXT.Process(target=_work, args=given, daemon=True)
        process.start()
        started(int(process.pid or 0))
        return process

    def wait(self, process: BaseProcess) -> Result:
        """Wait for the end of a command."""
        process.join(_PATIENCE_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            return Result(-1000, "", "the command did not end")
        out, err = ((self.folder / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err"))
        result = Result(int(process.exitcode), out, err)
        self.said.append(result.said)
        return result


def _work(arguments: list[str], environment: dict[str, str], clock_file: Path, ahead: timedelta, folder: Path) -> None:
    """Run the command line in this process."""
    os.environ.update(environment)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115  # as long as the process
    for name in ("out", "err"):
        stream = open(folder / name, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # as long as the process
        setattr(sys, f"std{name}", stream)
    code = 0
    try:
        optimizer.cli.main(arguments, clock=SharedClock(clock_file, ahead))
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    except BaseException:  # noqa: BLE001  # a traceback is a fault of the product, and the driver reports it
        traceback.print_exc(file=sys.stderr)
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
