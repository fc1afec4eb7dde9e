"""A Dask cluster of a test's own, started as a person would start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PATIENCE_SECONDS = 60
"""For the scheduler to come up, on a machine that is busy with other tests."""


@contextmanager
def start_scheduler(folder: Path) -> Iterator[str]:
    """A scheduler on a free port of the loopback; gives its address."""
    place = folder / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(place)]
    # One death of a worker is forgiven, the second is the task's fault: the default of three only takes longer.
    with _start("scheduler", *options, folder=folder, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1") as process:
        yield str(json.loads(_wait_for(place, process))["address"])


@contextmanager
def start_workers(folder: Path, address: str, number: int) -> Iterator[None]:
    """Worker processes of one thread each, started anew when they die."""
    options = ["--host", "127.0.0.1", "--no-dashboard", "--nworkers", str(number), "--nthreads", "1"]
    with _start("worker", address, *options, "--local-directory", str(folder), folder=folder):
        yield


@contextmanager
def _start(kind: str, *options: str, folder: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "dask", kind, *options]
    environment = {**os.environ, **variables, "PYTHONPATH": str(ROOT)}
    with (folder / f"{kind}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
            process.wait()


def _wait_for(place: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        text = place.read_text(encoding="utf-8") if place.exists() else ""
        if text.rstrip().endswith("}"):
            return text
        time.sleep(0.05)
    raise TimeoutError(f"no Dask scheduler; it says: {(place.parent / 'scheduler.log').read_text(encoding='utf-8')}")
