"""Stage of a rehearsal: a twin of the service whose clock jumps, and a folder for everything that is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from optimizer.documents import WatchReport
from optimizer.estate import EstateDocument
from optimizer.journal import JournalState, read_journal, state_of
from optimizer.model.timegrid import Frequency
from optimizer.ports import BackupService, Clock, Progress
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.pace import Pace
from optimizer.rollout.carry_out.reporter import Reporter
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.prepared import Prepared, latest_end
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session, WriteSession
from optimizer.rollout.watch.watch import Moved, watch

_FIRST_RUNS = {Frequency.DAILY: timedelta(hours=30), Frequency.HOURLY: timedelta(hours=30)}
"""Time within which every item of a frequency has run once at its new start; weekly items take eight days."""

_WEEKLY_RUNS = timedelta(days=8)

_LOOKS = 8
_BETWEEN_LOOKS = timedelta(hours=2)


class Twin(Protocol):
    """A twin of the service whose state can be read."""

    @property
    def on_write(self) -> list[Callable[[], None]]:
        """Functions called after each write that took effect; more can be added."""
        ...

    def snapshot(self) -> EstateDocument:
        """Policies and items of the twin as they are now."""
        ...


@dataclass(frozen=True)
class Stage:
    """A twin of the service, and the folder of everything that a rehearsal writes.

    Parameters
    ----------
    session
        The twin as a service, its clock, which jumps instead of waiting, and the ledger of the rehearsal.
    twin
        The twin itself.
    folder
        Folder for the journals; nothing else is written.
    pace
        Waiting times.
    """

    session: WriteSession
    twin: Twin
    folder: Path
    pace: Pace = field(default_factory=Pace)

    @classmethod
    def of(cls, service: BackupService, twin: Twin, clock: Clock, folder: Path, pace: Pace) -> Stage:
        """Stage with a new ledger in the folder."""
        return cls(Session(service, clock, Ledger(folder / "state")), twin, folder, pace)

    @property
    def journal(self) -> RunJournal:
        """Journal of the rehearsal."""
        return RunJournal(self.folder / "rehearsal.journal.jsonl", "rehearse")

    @property
    def rollback_journal(self) -> RunJournal:
        """Journal of its rollback."""
        return RunJournal(self.folder / "rehearsal.rollback.jsonl", "rollback")

    def state(self) -> JournalState:
        """State of each write according to the journal of the rehearsal."""
        path = self.journal.path
        return state_of(read_journal(path) if path.exists() else ())

    def carry_out(self, prepared: Prepared, progress: Progress) -> RunOutcome:
        """Make every write of a prepared run, however long that takes on the clock of the twin."""
        until = latest_end(prepared.rollout, self.session.clock.now())
        return carry_out(prepared, self.session, until=until, pace=self.pace, reporter=Reporter(progress))

    def watch(self, prepared: Prepared) -> WatchReport | None:
        """Watch the moved VMs until their first runs at the new starts are over; None if no VM was moved."""
        moved, clock, report = self.state().moved_at(), self.session.clock, None
        if not moved:
            return None
        clock.sleep(_until_first_runs(prepared).total_seconds())
        for _ in range(_LOOKS):
            report = watch(prepared.plan, prepared.inventory, Moved(moved), self.session.service, clock)
            if report.is_settled:
                break
            clock.sleep(_BETWEEN_LOOKS.total_seconds())  # at any hour, some job may be in progress
        return report


def _until_first_runs(prepared: Prepared) -> timedelta:
    inventory = prepared.inventory
    rows = {item.vm_id: inventory.policy(item).recurrence.frequency for item in inventory.items}
    moved = {rows[vm] for write in prepared.writes for vm in write.vms if vm in rows}
    return max((_FIRST_RUNS.get(frequency, _WEEKLY_RUNS) for frequency in moved), default=timedelta())
