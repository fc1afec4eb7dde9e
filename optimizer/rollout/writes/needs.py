"""Writes that must have been made because later writes need them, even if the journal does not record it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optimizer.journal import JournalState
from optimizer.rollout.writes.write import Write


def surely_made(state: JournalState, writes: Sequence[Write]) -> frozenset[int]:
    """Numbers of the writes that are made: done writes, and all writes that done or unsettled writes need.

    A write is begun only when all writes that it needs are made.

    Parameters
    ----------
    state
        State of the journal.
    writes
        All writes of the plan.
    """
    needed = {number for write in writes if write.number in state.unsettled for number in write.needs}
    return with_what_they_need(state.done.keys() | needed, writes)


def with_what_they_need(numbers: Iterable[int], writes: Sequence[Write]) -> frozenset[int]:
    """Numbers of the given writes and of all writes that these need.

    A VM cannot have moved to a policy that was never created. So if a write is done, every write that it needs is
    done too, even if the journal does not say so: its line may be missing, or another machine may have made that
    write.

    Parameters
    ----------
    numbers
        Numbers of the done writes.
    writes
        All writes of the plan.
    """
    by_number = {write.number: write for write in writes}
    with_needs: set[int] = set()
    waiting = list(numbers)
    while waiting:
        number = waiting.pop()
        if number not in with_needs:
            with_needs.add(number)
            waiting += by_number[number].needs if number in by_number else ()
    return frozenset(with_needs)
