"""Run of a prepared ``apply`` or ``rollback``: locks, the record of the run, and the writes that can be made now."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from optimizer.errors import ApplyError
from optimizer.journal import Journal, Record, RunRecord
from optimizer.ports import BackupCloud, Progress, no_progress, silent
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.rollout.carry_out.agenda import Agenda
from optimizer.rollout.carry_out.board import Board
from optimizer.rollout.carry_out.carrier import Carrier
from optimizer.rollout.carry_out.conditions import Conditions
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.pace import Pace
from optimizer.rollout.carry_out.reporter import Reporter
from optimizer.rollout.prepare.prepared import Prepared
from optimizer.rollout.session.ledger import hold_locks
from optimizer.rollout.session.session import WriteSession, writable
from optimizer.rollout.writes.write import vaults_of


def make_writes(
    prepared: Prepared,
    cloud: BackupCloud,
    *,
    wait: timedelta = timedelta(),  # immutable
    guard_request: bool = False,
    progress: Progress = no_progress,
    tell: Callable[[str], None] = silent,
    remark: Callable[[str], None] = silent,
) -> RunOutcome:
    """Make the writes of a prepared run on a cloud that can be made now.

    Parameters
    ----------
    prepared, cloud
        The prepared run, and the cloud to write to.
    wait
        How long to wait for writes that become possible later.
    guard_request
        See :func:`carry_out`.
    progress, tell, remark
        See :class:`~optimizer.rollout.carry_out.reporter.Reporter`.

    Raises
    ------
    ApplyError
        Another run wrote to the journal since.
    BusyError
        Another run is active.
    """
    session = writable(cloud)
    return carry_out(
        prepared,
        session,
        until=session.clock.now() + wait if wait else None,
        pace=Pace(poll_seconds=cloud.polling_seconds),
        guard_request=guard_request,
        reporter=Reporter(progress, tell, remark),
    )


def carry_out(
    prepared: Prepared,
    session: WriteSession,
    *,
    until: datetime | None = None,
    pace: Pace = Pace(),  # noqa: B008  # frozen
    guard_request: bool = False,
    journal_of: Callable[[Path], Journal] = Journal,
    reporter: Reporter | None = None,
) -> RunOutcome:
    """Make the writes of a prepared run that can be made now.

    Parameters
    ----------
    prepared
        Prepared run.
    session
        The service, the clock, and the ledger, beside which the locks lie.
    until
        Wait for writes that open before this time. None: wait only after trouble, 15 minutes in all.
    pace
        Waiting times.
    guard_request
        Whether to send the requests that a Resource Guard asks for.
    journal_of
        Opens the journal at a path.
    reporter
        Reports what happens. None: nothing is reported.

    Raises
    ------
    ApplyError
        Another run wrote to the journal since.
    BusyError
        Another run is active.
    """
    with (
        hold_locks(session.ledger.folder, prepared.journal_path, vaults_of(prepared.writes)),
        _open(prepared, journal_of) as journal,
    ):
        if list(journal.records) != list(prepared.records):
            again = prepared.commands.resume(prepared.command)
            raise ApplyError(f"{prepared.journal_path}: another run wrote to it meanwhile; to go on:\n    {again}")
        journal.append(_run_record(prepared, session.clock.now(), journal.records))
        windows = WriteWindows(prepared.baseline.inventory, prepared.baseline.rules)
        conditions = Conditions(session, prepared.baseline, windows)
        carrier = Carrier(
            session,
            journal,
            pace,
            label=f"{prepared.plan.fingerprint} {prepared.command}",
            guard_requests=prepared.guard_requests() if guard_request else {},
            window=conditions.window,
            busy=conditions.busy,
            room=conditions.room,
            surroundings=conditions.surroundings(prepared.writes),
            unsettled=prepared.unsettled,
        )
        agenda = Agenda(prepared.writes, prepared.baseline, prepared.begun, prepared.limits)
        board = Board(agenda, carrier, windows, reporter or Reporter(), until)
        num_workers = max(1, min(prepared.limits.workers, len(board.lanes)))
        session.clock.side_by_side([board.work] * num_workers, board.interrupted)
        return board.outcome()


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
