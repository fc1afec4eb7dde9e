"""How a run of ``apply`` or ``rollback`` ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from optimizer.rollout.stages import Blocked


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Parameters
    ----------
    done, failed, skipped
        Numbers of the writes of the whole journal that are made, were refused, or no longer fit.
    pending
        Numbers of the writes that can still be made, with why not now.
    blocked
        Writes for which there is no time at all.
    reasons
        Why each failed or skipped write was not made, by number.
    resume_at
        When the next of the pending writes may be made; None where none is pending.
    broken
        Unexpected errors, each of which ended the writes of some vaults in this run, for people.
    found
        Numbers of the done writes that were in place before this journal began them.
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
