"""Parts of a roll-out: writes in order, each with the time in which it may be made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from optimizer.journal import WriteKind
from optimizer.rollout.writes.write import Write


@dataclass(frozen=True, slots=True)
class TimedWrite:
    """A write with the time in which it may be made.

    Parameters
    ----------
    write
        The write itself.
    at
        Time of the write in the calendar.
    opens, closes
        Period ``[opens, closes)`` around ``at`` in which backups, RPO and freezes allow the write.
    day
        Day of the roll-out, 1, 2, ...: the number of 24-hour periods since its beginning, including the current one.
    wave
        1 for the pilot, or if there is no pilot; 2 for the writes that follow the pilot.
    lane
        Number of the lane. Writes of one lane are made one after the other in this order; lanes do not affect each
        other.
    """

    write: Write
    at: datetime
    opens: datetime
    closes: datetime
    day: int
    wave: int = 1
    lane: int = 0


@dataclass(frozen=True, slots=True)
class Blocked:
    """A write that cannot be made at any time of the calendar, with the reason."""

    write: Write
    reason: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """Calendar of a plan's writes.

    Parameters
    ----------
    began
        Time at which the calendar begins.
    writes
        Timed writes in order of time; within a lane, in the order in which they are made.
    blocked
        Writes without a possible time, with the reason.
    notes
        Other remarks for the reader.
    """

    began: datetime
    writes: tuple[TimedWrite, ...]
    blocked: tuple[Blocked, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def num_days(self) -> int:
        """Number of days that the roll-out takes."""
        return max((timed.day for timed in self.writes), default=0)

    @property
    def num_vms(self) -> int:
        """Number of VMs that the timed writes move."""
        return len({vm for timed in self.writes for vm in timed.write.vms})

    def count(self, kind: WriteKind) -> int:
        """Number of timed writes of a kind."""
        return sum(timed.write.kind == kind for timed in self.writes)

    def by_vault(self) -> list[Rollout]:
        """Calendars of one day, one wave and one vault each, in this order."""
        groups: dict[tuple[int, int, str], list[TimedWrite]] = {}
        for timed in self.writes:
            groups.setdefault((timed.day, timed.wave, timed.write.vault_id), []).append(timed)
        return [Rollout(self.began, tuple(groups[key])) for key in sorted(groups)]
