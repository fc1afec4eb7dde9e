"""A command in a process of its own: what it printed, how long it took, the memory of it and of its workers."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

SAMPLE_SECONDS = 0.1
PAGE_MEBIBYTES = resource.getpagesize() / 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """When a command is ended from outside.

    Parameters
    ----------
    seconds
        Wall-clock time; None: no limit.
    mebibytes
        Memory of the command and of its workers together; None: no limit.
    """

    seconds: float | None = None
    mebibytes: float | None = None


@dataclass(slots=True)
class Run:
    """What became of a command.

    Parameters
    ----------
    lines
        JSON objects that it printed, one a line, in order.
    seconds
        Wall-clock time of the whole process.
    peak_mebibytes
        Most memory at one time: private pages of the process and its workers, and the shared ones once.
    ended
        Why it was ended from outside; None: it ended itself.
    error
        End of its standard error where it failed; empty: it did not.
    """

    lines: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    peak_mebibytes: float = 0.0
    ended: str | None = None
    error: str = ""


def own_peak_mebibytes() -> float:
    """Peak memory of the calling process, by the operating system; Linux counts in kibibytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_measured(command: Sequence[str], limits: Limits) -> Run:
    """Run a command in a session of its own, watch its memory and end it where it goes over a limit.

    The caller stays small: Linux counts the memory of the parent at the time of the start as the child's peak.

    Parameters
    ----------
    command
        What to run; it prints JSON objects, one a line.
    limits
        When it is ended.
    """
    run, began = Run(), time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=complaints, text=True, start_new_session=True
        ) as process,
    ):
        assert process.stdout is not None
        reader = threading.Thread(target=_collect, args=(process.stdout, run.lines))
        reader.start()
        try:
            while process.poll() is None and not run.ended:
                time.sleep(SAMPLE_SECONDS)
                run.seconds = time.monotonic() - began
                run.peak_mebibytes = max(run.peak_mebibytes, session_mebibytes(process.pid))
                run.ended = _over(run, limits)
        finally:
            _end(process)
            reader.join()
        run.seconds = time.monotonic() - began
        if process.returncode and not run.ended:
            complaints.seek(0)
            run.error = complaints.read()[-2000:].strip() or f"ended with {process.returncode}"
    return run


def _over(run: Run, limits: Limits) -> str | None:
    if limits.seconds is not None and run.seconds > limits.seconds:
        return f"longer than {limits.seconds:.0f} s"
    if limits.mebibytes is not None and run.peak_mebibytes > limits.mebibytes:
        return f"more memory than {limits.mebibytes / 1024:.1f} GiB"
    return None


def _end(process: subprocess.Popen[str]) -> None:
    """End what is left of the session of a command."""
    with contextlib.suppress(ProcessLookupError):  # it has ended, and so have its workers
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _collect(stream: IO[str], lines: list[dict[str, Any]]) -> None:
    lines.extend(json.loads(line) for line in stream if line.startswith("{"))  # libraries print too


def session_mebibytes(session: int) -> float:
    """Memory of all processes of a session: private pages of each, and shared ones once; 0 where there is no /proc.

    Pages that a fork shares until they are written are counted in each process, so the sum is rather too high.
    """
    private, shared = 0, 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) != session:
                continue
            _, resident, common, *_ = map(int, (entry / "statm").read_text().split())
        except (OSError, ValueError, IndexError):
            continue  # the process ended meanwhile
        private += resident - common
        shared = max(shared, common)
    return (private + shared) * PAGE_MEBIBYTES
