"""Writes that a run still has to make, according to its selection and its journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from optimizer.errors import CloudError
from optimizer.estate import EstateDocument
from optimizer.journal import JournalState
from optimizer.model.arm_id import ArmId
from optimizer.ports import BackupReader
from optimizer.rollout.calendar.layout import build_rollout
from optimizer.rollout.calendar.rollout_limits import RolloutLimits
from optimizer.rollout.calendar.timed_writes import Rollout
from optimizer.rollout.prepare.freshness import Freshness, compare_with_service
from optimizer.rollout.prepare.selection import Selection
from optimizer.rollout.session.session import Session
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.write import Write, vaults_of


@dataclass(frozen=True)
class Remaining:
    """The selected writes, and their state according to the journal.

    Parameters
    ----------
    selection
        Writes that the run covers.
    state
        State of each write according to the journal.
    """

    selection: Selection
    state: JournalState

    @cached_property
    def to_do(self) -> list[Write]:
        """Selected writes that are not done."""
        return not_done(self.selection.writes, self.state)

    def compared(
        self,
        expected: EstateDocument,
        session: Session[BackupReader],
        unreadable: Mapping[ArmId, CloudError] | None = None,
    ) -> Freshness:
        """Differences between Azure and the state that the last run left.

        Writes of unknown outcome may have taken effect, so their objects may be in either state.

        Parameters
        ----------
        expected
            Estate as the last run left it.
        session
            The service.
        unreadable
            Errors of the vaults, by id, that are already known to be unreadable.
        """
        return compare_with_service(
            expected,
            (*self.selection.writes, *self.selection.begun),
            session,
            pending=frozenset(write.number for write in self.to_do),
            begun=self.state.intents.keys() - self.state.done.keys(),
            unreadable=unreadable,
        )

    def laid_out(self, baseline: Baseline, session: Session[BackupReader], limits: RolloutLimits) -> Rollout:
        """Calendar of the writes that are not done."""
        now = session.now()
        return build_rollout(
            self.selection.writes,
            baseline,
            now=now,
            made={number: record.at for number, record in self.state.done.items()},
            counts=session.ledger.counted(vaults_of(self.selection.writes), now),
            limits=limits,
        )


def not_done(writes: Sequence[Write], state: JournalState) -> list[Write]:
    """Writes that the journal does not record as done."""
    return [write for write in writes if write.number not in state.done]
