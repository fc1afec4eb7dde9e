"""A process that is killed the hard way while it writes, and what a resumption makes of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from optimizer.documents.plan_file import write_plan
from optimizer.emulator import Emulator
from optimizer.journal import EndRecord, read_journal, state_of
from tests.benchmarks.rollout_faults import violations_of
from tests.rollout.applying_process import apply_once
from tests.rollout.conftest import Ready
from tests.rollout.shared_clock import SharedClock

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.thorough
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0], ids=["first write", "middle", "last write"])
def test_a_killed_process_is_resumed(planned: Ready, tmp_path: Path, share: float) -> None:
    """Killed by SIGKILL the moment a write took effect, a run is resumed and makes each of the others once."""
    num_writes = len(planned.plan.changes)
    fatal = max(1, round(share * num_writes))
    clock_file = tmp_path / "clock"
    clock = SharedClock(clock_file, planned.noon)
    emulator = Emulator.of_estate(planned.document, clock=clock)
    plan_path = tmp_path / "plan.json"
    write_plan(planned.plan, plan_path)
    processes: list[subprocess.Popen[bytes]] = []

    def strike() -> None:
        if len(emulator.writes) == fatal:
            processes[0].kill()
            processes[0].wait()

    emulator.on_write.append(strike)
    with emulator:
        places = [str(emulator.ca_file), str(planned.estate.path), str(plan_path), str(tmp_path)]
        command = [sys.executable, "-m", "tests.rollout.applying_process", emulator.endpoint, *places]
        with emulator.state.lock:  # nothing is written before the process is known
            processes.append(subprocess.Popen([*command, str(clock_file)], cwd=ROOT))
        assert processes[0].wait(timeout=60) == -signal.SIGKILL
        assert len(emulator.writes) == fatal
        journal = tmp_path / "plan.journal.jsonl"
        records = read_journal(journal)
        assert state_of(records).open  # the answer to the last write was never put down
        assert not any(isinstance(record, EndRecord) for record in records)
        outcome = apply_once(emulator.endpoint, emulator.ca_file, planned.estate.path, plan_path, tmp_path, clock)
        assert not violations_of(planned, emulator, journal, outcome)
