"""Results of a run so far: outcomes of writes, and why the other writes wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from optimizer.journal import JournalState
from optimizer.rollout.calendar.timed_writes import Blocked
from optimizer.rollout.carry_out.outcome import Attempt, End, RunOutcome
from optimizer.rollout.writes.write import Write


@dataclass
class Results:
    """Results of a run so far.

    Parameters
    ----------
    ended
        Last attempt of each write that has ended in this run, by number.
    waiting
        Why each other write that was looked at was not made, by number.
    broken
        Messages about unexpected errors.
    """

    ended: dict[int, Attempt] = field(default_factory=dict)
    waiting: dict[int, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @property
    def made(self) -> set[int]:
        """Numbers of the writes that were made or found in place in this run."""
        return {number for number, attempt in self.ended.items() if attempt.end is End.DONE}

    @property
    def lost(self) -> set[int]:
        """Numbers of the writes that failed or were skipped in this run."""
        return self.ended.keys() - self.made

    def lost_among(self, numbers: Iterable[int]) -> int | None:
        """First of the given writes that failed or was skipped in this run, or None."""
        lost = self.lost
        return next((number for number in numbers if number in lost), None)

    def add(self, number: int, attempt: Attempt) -> None:
        """Record the result of an attempt."""
        self.waiting.pop(number, None)
        if attempt.end is End.LATER:
            self.waiting[number] = attempt.reason
        else:
            self.ended[number] = attempt

    def outcome(
        self,
        state: JournalState,
        writes: Sequence[Write],
        blocked: Iterable[Blocked],
        reason_of: Callable[[Write], str],
    ) -> RunOutcome:
        """Result of the run.

        Parameters
        ----------
        state
            State of each write according to the journal.
        writes
            Writes that the run was about.
        blocked
            Writes without a possible time.
        reason_of
            Returns why a write that can still be made was not made in this run.
        """
        numbers = {write.number for write in writes}
        done = (state.done.keys() | self.made) & numbers
        failed = state.failed.keys() & numbers & self.ended.keys()
        skipped = (state.skipped.keys() & numbers) - done
        never = tuple(item for item in blocked if item.write.number not in self.ended)
        settled = done | failed | skipped | {item.write.number for item in never}
        return RunOutcome(
            done=tuple(sorted(done)),
            failed=tuple(sorted(failed)),
            skipped=tuple(sorted(skipped)),
            pending={write.number: reason_of(write) for write in writes if write.number not in settled},
            blocked=never,
            reasons={n: self.ended[n].reason for n in (*sorted(failed), *sorted(skipped)) if n in self.ended},
            found=tuple(sorted(state.found & numbers)),
            broken=tuple(self.broken),
        )
