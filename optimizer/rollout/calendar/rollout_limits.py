"""Limits of a roll-out: its pilot, the number of lanes written at once, its earliest time and its duration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.model.arm_id import ArmId
from optimizer.model.timegrid import ROLLOUT_DAYS
from optimizer.rollout.writes.needs import with_what_they_need
from optimizer.rollout.writes.write import Write

DEFAULT_WORKERS = 4
"""Default number of lanes that are written side by side. More gain little: each vault is written one by one."""

SOAK_MINUTES = 60
"""Minutes after its snapshot that a backup of the pilot is given to end, before the second wave begins."""

_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class RolloutLimits:
    """Limits of a roll-out that an operator sets so that a mistake stays small.

    Parameters
    ----------
    workers
        Maximum number of lanes that are written side by side.
    pilot
        Ids of the VMs that go first. The others follow once each of these has been backed up at its new start.
        Empty: all VMs go at once.
    soak_minutes
        Minutes after its snapshot that a backup of the pilot is given to end.
    seconds_per_write
        Seconds between two writes of a lane.
    horizon_days
        Maximum number of days that the calendar covers.

    Raises
    ------
    ValueError
        ``workers`` or ``seconds_per_write`` is less than 1.
    """

    workers: int = DEFAULT_WORKERS
    pilot: frozenset[ArmId] = frozenset()
    soak_minutes: int = SOAK_MINUTES
    seconds_per_write: int = 60
    horizon_days: int = ROLLOUT_DAYS

    def __post_init__(self) -> None:
        for name in ("workers", "seconds_per_write"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        object.__setattr__(self, "pilot", frozenset(map(ArmId, self.pilot)))

    def first_wave(self, writes: Sequence[Write]) -> frozenset[int]:
        """Numbers of the writes for any VM of the pilot, and of the writes that those need."""
        numbers = {write.number for write in writes}
        pilot = [write.number for write in writes if not self.pilot.isdisjoint(write.vms)]
        return with_what_they_need(pilot, writes) & numbers

    def end(self, begin: int) -> int:
        """End of the calendar, in seconds since 1970 like its begin."""
        return begin + self.horizon_days * _DAY_SECONDS
