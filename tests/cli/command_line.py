"""Run the command line as the program does, in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from optimizer.cli import main
from optimizer.model.clock import SYSTEM_CLOCK
from optimizer.ports import Clock

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


def run(*args: object, clock: Clock = SYSTEM_CLOCK) -> Answer:
    """Run ``backup-optimizer`` with these arguments in this process, at the time of a clock."""
    with CliRunner().isolation() as (out, err, _):
        code = 0
        try:
            main([str(arg) for arg in args], clock=clock)
        except SystemExit as exc:
            code = int(exc.code or 0)
        return Answer(code, out.getvalue().decode(), err.getvalue().decode())


def run_process(*args: object, before: str = "pass", prefix: Sequence[str] = ()) -> Answer:
    """Run it in a process of its own, after a statement, by way of another program, at the time of every test."""
    script = f"""
import sys
from datetime import datetime
from optimizer.cli import main
from optimizer.model.clock import VirtualClock
{before}
main(sys.argv[1:], clock=VirtualClock(datetime.fromisoformat("{SYSTEM_CLOCK.now().isoformat()}")))
"""
    command = [*prefix, sys.executable, "-W", "error", "-c", script, *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    return Answer(done.returncode, done.stdout, done.stderr)
