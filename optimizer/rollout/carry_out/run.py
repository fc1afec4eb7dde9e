"""Run of a prepared ``apply`` or ``rollback``: locks, the record of the run, and the writes that can be made now."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from optimizer.errors import ApplyError
from optimizer.journal import Journal, Record, RunRecord
from optimizer.ports import BackupService, Clock, Progress, no_progress, silent
from optimizer.rollout.carry_out.carrier import Carrier
from optimizer.rollout.carry_out.executor import Executor
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.pace import Pace
from optimizer.rollout.prepare.prepared import Prepared
from optimizer.rollout.session.ledger import Ledger, hold_locks
from optimizer.rollout.writes.write import vaults_of


def carry_out(
    prepared: Prepared,
    service: BackupService,
    clock: Clock,
    ledger: Ledger,
    state_folder: Path,
    *,
    until: datetime | None = None,
    pace: Pace = Pace(),  # noqa: B008  # frozen
    guard_request: bool = False,
    journal_of: Callable[[Path], Journal] = Journal,
    progress: Progress = no_progress,
    tell: Callable[[str], None] = silent,
    remark: Callable[[str], None] = silent,
) -> RunOutcome:
    """Make the writes of a prepared run that can be made now.

    Parameters
    ----------
    prepared
        Prepared run.
    service, clock, ledger
        The service, the clock, and the ledger of the writes that count toward Azure's limits.
    state_folder
        Folder of the locks.
    until
        Wait for writes that open before this time.  None: wait only after trouble, 15 minutes in all.
    pace
        Waiting times.
    guard_request
        Whether to send the requests that a Resource Guard asks for.
    journal_of
        Opens the journal at a path.
    progress
        Called after each write.
    tell
        Prints what the run waits for after Ctrl-C.
    remark
        Prints until when the run waits, and why.

    Raises
    ------
    BusyError
        Another run is active.
    """
    with (
        hold_locks(state_folder, prepared.journal_path, vaults_of(prepared.writes)),
        _open(prepared, journal_of) as journal,
    ):
        if list(journal.records) != list(prepared.records):
            again = prepared.commands.resume(prepared.command)
            raise ApplyError(f"{prepared.journal_path}: another run wrote to it meanwhile; to go on:\n    {again}")
        journal.append(_run_record(prepared, clock.now(), journal.records))
        guards = {
            (vault_id, kind): requests
            for vault_id, protection in prepared.protections.items()
            for kind, requests in protection.guard_requests.items()
            if guard_request
        }
        label = f"{prepared.plan.fingerprint} {prepared.command}"
        executor = Executor(
            carrier=Carrier(service, clock, journal, ledger, pace, label, guards, unsettled=prepared.unsettled),
            inventory=prepared.inventory,
            rules=prepared.plan.rules,
            writes=prepared.writes,
            begun=prepared.begun,
            pilot=prepared.pilot,
            tolerated=prepared.tolerated,
            workers=prepared.workers,
            progress=progress,
            tell=tell,
            remark=remark,
        )
        return executor.run(until=until)


@contextmanager
def _open(prepared: Prepared, journal_of: Callable[[Path], Journal]) -> Iterator[Journal]:
    journal = journal_of(prepared.journal_path)
    try:
        yield journal
    finally:
        journal.close()


def _run_record(prepared: Prepared, now: datetime, records: Sequence[Record]) -> RunRecord:
    return RunRecord(
        run=1 + sum(isinstance(record, RunRecord) for record in records),
        command=prepared.command,
        at=now,
        plan_fingerprint=prepared.plan.fingerprint,
        plan=prepared.plan_path.name,
        who=f"{_user()}@{platform.node()}",
        program=f"backup-schedule-optimizer {version('backup-schedule-optimizer')}",
        approved_by=prepared.approval.approved_by,
        ticket=prepared.approval.ticket,
        options=prepared.scope.options(),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except OSError:
        return "unknown"
