"""Agenda of a run: its writes, the limits that they must keep, and the calendar of the remaining writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from optimizer.rollout.calendar.budget import LedgerCounts
from optimizer.rollout.calendar.layout import build_rollout
from optimizer.rollout.calendar.rollout_limits import RolloutLimits
from optimizer.rollout.calendar.timed_writes import Rollout
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.write import Write


@dataclass(frozen=True)
class Agenda:
    """Writes of a run, the limits that they must keep, and how they may be made.

    Parameters
    ----------
    writes
        All writes of the run, in order.
    baseline
        State before the first write, and what every later state must keep.
    begun
        Writes outside the selection that may still take effect. The run looks at them, but never sends them.
    limits
        Limits of the roll-out.
    """

    writes: tuple[Write, ...]
    baseline: Baseline
    begun: tuple[Write, ...] = ()
    limits: RolloutLimits = field(default_factory=RolloutLimits)

    @property
    def all_writes(self) -> tuple[Write, ...]:
        """Writes of the run, and those that it only looks at."""
        return (*self.writes, *self.begun)

    def lay_out(
        self, now: datetime, made: Mapping[int, datetime], lost: Collection[int], counts: LedgerCounts
    ) -> Rollout:
        """Build the calendar of the remaining writes.

        Parameters
        ----------
        now
            Present time in whole seconds.
        made
            Time of each write that is made, by number.
        lost
            Numbers of the writes that failed or were skipped in this run. They are left out, so writes that need
            them become blocked.
        counts
            Writes of the last 24 hours, and closed vaults.
        """
        # Writes outside the selection that turned out to be made are part of the state.
        found = [write for write in self.begun if write.number in made]
        return build_rollout(
            [write for write in (*self.writes, *found) if write.number not in lost],
            self.baseline,
            now=now,
            made=made,
            counts=counts,
            limits=self.limits,
        )
