"""Outcome of an attempt at one write, and of a whole run of ``apply`` or ``rollback``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Literal

from optimizer.journal import EndRecord
from optimizer.rollout.calendar.timed_writes import Blocked

Holds = Literal["", "operation", "write", "lane", "subscription", "rights"]


class End(Enum):
    """How an attempt at a write ended."""

    DONE = auto()
    FAILED = auto()
    SKIPPED = auto()
    LATER = auto()


@dataclass(frozen=True, slots=True)
class Attempt:
    """Result of an attempt at a write.

    Parameters
    ----------
    end
        How the attempt ended. ``DONE``, ``FAILED`` and ``SKIPPED`` are in the journal. ``LATER`` means that
        nothing was changed, or that the outcome is not known yet.
    reason
        Why the write was not made.
    holds
        What has to wait: the write until its window opens (empty); the write until its ``operation`` ends; the
        ``write`` for a while; its ``lane``; every lane of its ``subscription``; or the lane for the rest of the run,
        because a right is missing (``rights``).
    wait_seconds
        Seconds that the service asks to wait; None if it does not say.
    """

    end: End
    reason: str = ""
    holds: Holds = ""
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """Result of a run.

    Parameters
    ----------
    done, failed, skipped
        Numbers of the writes, in the whole journal, that are made, that were refused, and that no longer fit.
    pending
        For each write that can still be made, by number: why it was not made in this run.
    blocked
        Writes that have no time at all, with the reason.
    reasons
        For each failed or skipped write, by number: why it was not made.
    resume_at
        Time at which the next pending write may be made; None if no write is pending.
    broken
        Messages about unexpected errors; each ended the writes of some vaults in this run.
    found
        Numbers of the done writes that were already in place before this journal began them.
    """

    done: tuple[int, ...]
    failed: tuple[int, ...]
    skipped: tuple[int, ...]
    pending: Mapping[int, str]
    blocked: tuple[Blocked, ...] = ()
    reasons: Mapping[int, str] = field(default_factory=dict)
    resume_at: datetime | None = None
    found: tuple[int, ...] = ()
    broken: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every write of the plan is made."""
        return not (self.failed or self.skipped or self.pending or self.blocked)

    def end_record(self, at: datetime) -> EndRecord:
        """Record with which the journal ends the run."""
        return EndRecord(
            at=at,
            done=len(self.done),
            failed=len(self.failed),
            skipped=len(self.skipped),
            pending=len(self.pending) + len(self.blocked),
        )
