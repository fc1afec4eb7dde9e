"""Ctrl-C in a real ``apply`` process: nothing else is begun, what is under way is told, and a resumption goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from optimizer.documents.plan_file import write_plan
from optimizer.emulator import Emulator
from optimizer.journal import EndRecord, IntentRecord, read_journal
from optimizer.model.clock import VirtualClock
from tests.benchmarks.rollout_faults import violations_of
from tests.rollout.applying_process import apply_once
from tests.rollout.conftest import Ready

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import signal
import sys
from datetime import datetime
signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts the tests may ignore it, as nohup ... & does
from optimizer.cli import main
from tests.rollout.standing_clock import StandingClock
main(sys.argv[2:], clock=StandingClock(datetime.fromisoformat(sys.argv[1])))
"""


def begun(journal: Path) -> list[int]:
    """Return the numbers of the writes whose intent is in a journal."""
    return [record.number for record in read_journal(journal) if isinstance(record, IntentRecord)]


@pytest.mark.parametrize("workers", [1, 4])
def test_ctrl_c_begins_no_other_write(planned: Ready, tmp_path: Path, workers: int) -> None:
    """One SIGINT during a request: the request is waited for and named, no intent follows it, the exit code is 130."""
    plan_path, journal = tmp_path / "plan.json", tmp_path / "plan.journal.jsonl"
    write_plan(planned.plan, plan_path)
    clock = VirtualClock(planned.noon)
    emulator = Emulator.of_estate(planned.document, clock=clock)
    processes: list[subprocess.Popen[bytes]] = []
    told = tmp_path / "stderr"
    begun_then: list[list[int]] = []

    def strike() -> None:
        if len(emulator.writes) != 2:
            return
        processes[0].send_signal(signal.SIGINT)
        while b"how they ended\n" not in told.read_bytes() and processes[0].poll() is None:
            time.sleep(0.02)  # the request is not answered before the process has seen the signal
        begun_then.append(begun(journal))

    emulator.on_write.append(strike)
    with emulator:
        options = ["--yes", "--quiet", "--workers", str(workers), "--estate", str(planned.estate.path)]
        place = ["--emulator", emulator.endpoint, "--ca-file", str(emulator.ca_file)]
        command = [sys.executable, "-c", PROGRAM, planned.noon.isoformat(), "apply", str(plan_path), *options, *place]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "BACKUP_OPTIMIZER_STATE": str(tmp_path / "state")}
        with emulator.state.lock, told.open("wb") as stderr:  # nothing is written before the process is known
            processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=stderr))
        code, text = processes[0].wait(timeout=120), told.read_text()
        assert emulator.state.errors == []
        assert code == 130, text
        assert begun(journal) == begun_then[0]
        assert len(begun_then[0]) < len(planned.plan.changes)
        last = emulator.writes[1].object_id.rpartition("/")[2].rpartition(";")[2]
        assert f"waiting for the outcome of 1 request ({last})" in text or (workers > 1 and last in text)
        assert "go on with --resume" in text
        assert "Traceback" not in text
        assert not any(isinstance(record, EndRecord) for record in read_journal(journal))
        outcome = apply_once(emulator.endpoint, emulator.ca_file, planned.estate.path, plan_path, tmp_path, clock)
        assert not violations_of(planned, emulator, journal, outcome)
