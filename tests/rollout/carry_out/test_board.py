"""How long a run waits without being told to, and what it reports meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from optimizer.errors import CloudError, ConflictError, ThrottledError, UncertainError
from optimizer.model.clock import VirtualClock
from optimizer.model.rules import Rules
from optimizer.ports import Accepted
from optimizer.rollout.carry_out.board import LONGEST_WAIT, SHORT_WAIT
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.reporter import Reporter
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from tests.plan.estates import standard_policy
from tests.rollout.azure_rollouts import ready_of
from tests.rollout.conftest import PACE, Ready
from tests.rollout.fake_service import FakeService
from tests.rollout.small_rollouts import NOW, world


@pytest.fixture(scope="module")
def many() -> Ready:
    """Twelve VMs that move to one new policy."""
    places = {f"app-{n:02}": "nightly" for n in range(13)}
    targets = {f"app-{n:02}": "02:00" for n in range(12)}
    return ready_of(world([standard_policy("nightly", "23:00", items=13)], places, targets, Rules()))


class Shaky(FakeService):
    """A service that fails every second time that an item is written."""

    trouble: Callable[[], CloudError]
    count = 0

    def _write(self, kind: str, object_id: str, effect: Callable[[], None]) -> Accepted | None:
        self.count += kind == "item"
        if kind == "item" and self.count % 2:
            raise self.trouble()
        return super()._write(kind, object_id, effect)


def apply(ready: Ready, service: FakeService, folder: Path, clock: VirtualClock) -> tuple[RunOutcome, list[str]]:
    """Apply without waiting; returns what was reported, too."""
    said: list[str] = []
    ledger = Ledger(folder / "state")
    journal = folder / "plan.journal.jsonl"
    prepared = prepare_apply(ready.case, Session(service, clock, ledger), RunJournal(journal))
    outcome = carry_out(prepared, Session(service, clock, ledger), pace=PACE, reporter=Reporter(remark=said.append))
    return outcome, said


@pytest.mark.parametrize(
    ("trouble", "waits_for"),
    [
        (lambda: UncertainError("the connection was lost"), "for the outcome of app-"),
        (lambda: ConflictError("another operation is in progress"), "to try app-"),
        (lambda: ThrottledError("too many requests", retry_after_seconds=200.0), "to try app-"),
    ],
    ids=["lost", "locked", "throttled"],
)
def test_a_run_without_wait_stops_soon_and_reports_its_waits(
    many: Ready, tmp_path: Path, trouble: Callable[[], CloudError], waits_for: str
) -> None:
    """However often requests fail between successes, a run waits for 15 minutes in all, with a line for each wait."""
    service, clock = Shaky(many.document), VirtualClock(NOW)
    service.trouble = trouble
    outcome, said = apply(many, service, tmp_path, clock)
    assert outcome.pending
    assert outcome.resume_at is not None
    assert clock.now() - NOW <= LONGEST_WAIT + SHORT_WAIT
    assert said
    assert any(waits_for in line for line in said)
    for line in said:
        assert line.startswith("waiting until 2026-02-18 09:")
        assert line.endswith("; Ctrl-C stops, --resume continues")
    assert len(said) == len(set(said))


def test_an_untroubled_run_reports_no_wait(many: Ready, tmp_path: Path) -> None:
    """Nothing is waited for, so nothing is reported."""
    outcome, said = apply(many, FakeService(many.document), tmp_path, VirtualClock(NOW))
    assert outcome.complete
    assert said == []
