"""A process that applies a plan at an emulator, to be killed.

python -m tests.rollout.applying_process ENDPOINT CA_FILE ESTATE PLAN FOLDER CLOCK
"""

from __future__ import annotations

import sys
from pathlib import Path

from optimizer.azure.connection import Connection
from optimizer.azure.service import AzureBackupService
from optimizer.documents.plan_file import read_plan
from optimizer.estate.folder import open_estate
from optimizer.ports import Clock
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.for_apply import prepare_apply
from optimizer.rollout.prepare.plan_case import PlanCase
from optimizer.rollout.prepare.prepared import latest_end
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from tests.rollout.shared_clock import SharedClock


def apply_once(endpoint: str, ca_file: Path, estate: Path, plan: Path, folder: Path, clock: Clock) -> RunOutcome:
    """Begin, or resume where there is a journal.

    Parameters
    ----------
    endpoint, ca_file
        Of the emulator.
    estate, plan
        Where they lie.
    folder
        For journal, ledger and locks.
    clock
        The emulator's; waiting takes no time.
    """
    ledger, journal = Ledger(folder / "state"), folder / "plan.journal.jsonl"
    service = AzureBackupService(Connection.to_emulator(endpoint, ca_file))
    try:
        prepared = prepare_apply(
            PlanCase(read_plan(plan), plan, open_estate(estate).document),
            Session(service, clock, ledger),
            RunJournal(journal, resume=journal.exists()),
        )
        until = latest_end(prepared.rollout, clock.now())
        return carry_out(prepared, Session(service, clock, ledger), until=until)
    finally:
        service.close()


if __name__ == "__main__":
    ca_file, estate, plan, folder, clock_file = (Path(name) for name in sys.argv[2:7])
    sys.exit(not apply_once(sys.argv[1], ca_file, estate, plan, folder, SharedClock(clock_file)).complete)
