"""Open ends of a journal: writes that were begun, and whose outcome is looked up in Azure before a rollback."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from optimizer.errors import CloudError
from optimizer.journal import DoneRecord, JournalState, OpenWrite, Record, state_of
from optimizer.model.arm_id import ArmId
from optimizer.ports import Resource
from optimizer.rollout.session.session import ReadSession
from optimizer.rollout.writes.states import expected_after, is_as, is_made
from optimizer.rollout.writes.write import Write


@dataclass
class OpenEnds:
    """Outcomes, as seen in Azure, of the begun writes whose outcome the journal does not record.

    A process may have been killed between a request and its record, or an answer was lost.

    Parameters
    ----------
    found
        Records of the writes that took effect, and of those that may still do so.
    unsettled
        Writes that show no effect but may still take effect, by number.
    unreadable
        Errors of the vaults of wanted writes that cannot be read, by vault id.
    """

    found: list[Record] = field(default_factory=list)
    unsettled: dict[int, OpenWrite] = field(default_factory=dict)
    unreadable: dict[ArmId, CloudError] = field(default_factory=dict)


def look_up_open_ends(
    applied: Sequence[Record],
    back: JournalState,
    writes: Sequence[Write],
    wanted: Collection[int],
    session: ReadSession,
) -> OpenEnds:
    """Look in Azure at the writes that were begun and whose outcome the journal does not know.

    Parameters
    ----------
    applied
        Records of the journal.
    back
        State of the rollback's own journal: if undoing a write has begun, the write had taken effect.
    writes
        All writes of the plan.
    wanted
        Numbers of the writes that are to be undone.
    session
        The service. Closed vaults are not read.
    """
    state, now, ends = state_of(applied), session.clock.now(), OpenEnds()

    def took_effect(write: Write, how: Literal["written", "found"], after: Resource | None) -> None:
        ends.found.append(DoneRecord(number=write.number, at=now, how=how, after=after))

    for write in writes:
        if write.number not in state.intents or write.number in state.done:
            continue
        if write.number in back.intents:
            took_effect(write, "written", expected_after(write))
            continue
        current = _current(write, session)
        if isinstance(current, CloudError):
            if write.number in wanted:
                ends.unreadable.setdefault(write.vault_id, current)
        elif is_made(write, current):
            took_effect(write, "found", current)
        elif write.number in state.unsettled and _is_as_before(write, current):
            # It may still take effect, so undoing it waits until that is settled.
            ends.unsettled[write.number] = state.unsettled[write.number]
            took_effect(write, "found", expected_after(write))
    return ends


def _is_as_before(write: Write, current: Resource | None) -> bool:
    return write.before is not None and is_as(write, current, write.before)


def _current(write: Write, session: ReadSession) -> Resource | CloudError | None:
    """Object of a write as it is now, or why it cannot be read; in a closed vault, the object before the write."""
    if session.closure(write.vault_id):
        return write.before
    try:
        return session.read(write)
    except CloudError as exc:
        return write.before if session.heed(write.vault_id, exc) else exc
