"""A small plan in memory, ready to be prepared: two VMs go to new policies, and one policy is edited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimizer.journal import RunRecord
from optimizer.model.clock import VirtualClock
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from tests.rollout.azure_rollouts import ready_of, small
from tests.rollout.fake_service import FakeService
from tests.rollout.small_rollouts import NOW

READY = ready_of(small())


def session_in(folder: Path, service: FakeService | None = None) -> Session[FakeService]:
    """Session with a service in memory, by default one with the estate of the plan."""
    return Session(service or FakeService(READY.document), VirtualClock(NOW), Ledger(folder / "state"))


def journal_in(folder: Path, *, resume: bool = False) -> RunJournal:
    """Journal of ``apply`` in a folder."""
    return RunJournal(folder / "plan.journal.jsonl", resume=resume)


def run_record(**changes: Any) -> RunRecord:
    """Build the first record of a journal of the plan."""
    values: dict[str, Any] = {
        "run": 1,
        "command": "apply",
        "at": NOW,
        "plan_fingerprint": READY.plan.fingerprint,
        "plan": "plan.json",
        "who": "me",
        "program": "test",
    }
    return RunRecord.model_validate(values | changes)
