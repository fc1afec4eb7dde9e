"""A machine whose clock is wrong writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from optimizer.azure.connection import Connection
from optimizer.azure.service import AzureBackupService
from optimizer.emulator import Emulator
from optimizer.errors import ClockError
from optimizer.journal import read_journal, state_of
from optimizer.model.clock import VirtualClock
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_rollback import prepare_rollback
from optimizer.rollout.session.clock_check import CLOCK_TOLERANCE, clock_fault
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from optimizer.rollout.watch.watch import Moved, watch
from tests.rollout.conftest import Ready, run
from tests.rollout.fake_service import FakeService

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (7 * HOUR, "clock is 7 h ahead of the service's"),
        (-7 * HOUR, "clock is 7 h behind the service's"),
        (timedelta(days=365), "clock is 365 d ahead of"),
        (timedelta(days=-1, minutes=-2), "clock is 1 d behind"),
        (CLOCK_TOLERANCE + timedelta(seconds=1), "clock is 5 min 1 s ahead of"),
        (None, "carried no usable Date header"),
    ],
)
def test_a_wrong_clock_begins_nothing(planned: Ready, tmp_path: Path, ahead: timedelta | None, words: str) -> None:
    """The message says which clock is off and by how much; neither Azure nor the journal is touched."""
    service = FakeService(planned.document)
    service.ahead = ahead
    with pytest.raises(ClockError, match=r"then run 'apply' again\. Nothing was written") as caught:
        run(planned, service, tmp_path)
    assert words in str(caught.value)
    assert not service.accepted
    assert not (tmp_path / "plan.journal.jsonl").exists()


@pytest.mark.parametrize("ahead", [timedelta(), CLOCK_TOLERANCE, -CLOCK_TOLERANCE])
def test_five_minutes_are_allowed(planned: Ready, ahead: timedelta) -> None:
    """Small differences do no harm: gates keep half an hour of slack."""
    service = FakeService(planned.document)
    service.ahead = ahead
    assert clock_fault(service, VirtualClock(planned.noon)) == ""


def test_the_message_shows_both_clocks(planned: Ready) -> None:
    """Whoever reads it can see at once which clock is the wrong one."""
    service = FakeService(planned.document)
    service.ahead = 7 * HOUR
    fault = clock_fault(service, VirtualClock(datetime.fromisoformat("2026-11-27T10:00:00+00:00")))
    assert "here it is 2026-11-27 10:00:00 UTC, there 2026-11-27 03:00:00 UTC (header Date)" in fault


def test_watch_and_rollback_refuse_too(planned: Ready, tmp_path: Path) -> None:
    """What is due, and when a write may be taken back, are questions of time as well."""
    service, clock = FakeService(planned.document), VirtualClock(planned.noon)
    assert run(planned, service, tmp_path, clock=clock).complete
    journal, written = tmp_path / "plan.journal.jsonl", sum(service.accepted.values())
    service.ahead = -HOUR
    moved = state_of(read_journal(journal)).moved_at()
    with pytest.raises(ClockError, match="then run 'watch' again"):
        watch(planned.plan, planned.inventory, Moved(moved), service, clock)
    with pytest.raises(ClockError, match="then run 'rollback' again"):
        prepare_rollback(
            planned.case,
            Session(service, clock, Ledger(tmp_path / "state")),
            journal,
            RunJournal(tmp_path / "plan.rollback.jsonl", "rollback"),
        )
    assert sum(service.accepted.values()) == written


@dataclass
class DriftingService(FakeService):
    """A service whose clock seems to jump while writes are made, as this machine's jumps."""

    drift: Callable[[int], timedelta] = lambda _: timedelta()

    def clock_ahead(self, now: datetime) -> timedelta | None:
        """By how much a time is ahead, after the writes so far."""
        del now
        return self.drift(sum(self.accepted.values()))


def test_a_clock_that_jumps_in_a_run_closes_the_gates(planned: Ready, tmp_path: Path) -> None:
    """The clock is checked before each write; what is left waits, says why, and is made once the clock is right."""
    service = DriftingService(planned.document)
    service.drift = lambda writes: timedelta() if writes < 1 else 7 * HOUR
    outcome = run(planned, service, tmp_path, wait=False)
    assert sum(service.accepted.values()) == 1
    assert not (outcome.failed or outcome.skipped)
    assert any("clock is 7 h ahead of" in reason for reason in outcome.pending.values())
    service.drift = lambda _: timedelta()
    assert run(planned, service, tmp_path, resume=True).complete


def test_a_waiting_run_goes_on_once_the_clock_is_right(planned: Ready, tmp_path: Path) -> None:
    """With ``--wait`` nothing is lost: the run looks again until somebody has set the clock."""
    service, looks = DriftingService(planned.document), 0

    def drift(writes: int) -> timedelta:
        nonlocal looks
        looks += writes == 2
        return 7 * HOUR if writes == 2 and looks <= 20 else timedelta()

    service.drift = drift
    assert run(planned, service, tmp_path).complete
    assert looks > 20


@pytest.mark.parametrize("off", [7 * HOUR, -7 * HOUR])
def test_the_real_clients_read_the_date_of_the_service(planned: Ready, tmp_path: Path, off: timedelta) -> None:
    """The emulator tells the time of its own clock; a run that goes by another one is refused, one by it is not."""
    clock = VirtualClock(planned.noon)
    with Emulator.of_estate(planned.document, clock=clock) as emulator:
        connection = Connection.to_emulator(emulator.endpoint, emulator.ca_file)
        with AzureBackupService(connection) as service:
            with pytest.raises(ClockError, match="7 h"):
                run(planned, service, tmp_path, clock=VirtualClock(planned.noon + off))
            assert emulator.writes == []
            run(planned, service, tmp_path, clock=clock, wait=False)
            assert emulator.writes
