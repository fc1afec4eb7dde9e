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

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


def run(*args: object) -> Answer:
    """Run ``backup-optimizer`` with these arguments in this process."""
    with CliRunner().isolation() as (out, err, _):
        code = 0
        try:
            main([str(arg) for arg in args])
        except SystemExit as exc:
            code = int(exc.code or 0)
        return Answer(code, out.getvalue().decode(), err.getvalue().decode())


def run_process(*args: object, before: str = "pass", prefix: Sequence[str] = ()) -> Answer:
    """Run it in a process of its own, after a statement, by way of another program."""
    script = f"import sys; from optimizer.cli import main\n{before}\nmain(sys.argv[1:])"
    command = [*prefix, sys.executable, "-W", "error", "-c", script, *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    return Answer(done.returncode, done.stdout, done.stderr)
