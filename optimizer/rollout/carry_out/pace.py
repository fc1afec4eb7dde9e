"""Waiting times of a run."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_PAUSE_SECONDS = 900.0
"""Longest pause after trouble for which the service states no time: 15 minutes."""

LONGEST_POLL_SECONDS = 30.0
"""Longest pause between two looks at an operation when the service does not state how long to wait."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Waiting times while the service works or meets trouble, in seconds.

    Parameters
    ----------
    settle_seconds
        Base of the pauses between looks at an object that may or may not have been written. The first pause is a
        quarter of this, the second is this, the third is four times this, and so on.
    settle_looks
        Maximum number of these looks.
    tries
        Number of times in a row that a write or a lane may meet trouble before this run gives up on it.
    busy_seconds
        First pause after trouble for which the service states no time. The pause doubles with each trouble in a row.
    poll_seconds
        First pause between two looks at an accepted operation. The pause doubles, up to 30 s.
    follow_seconds
        How long an operation is followed before it is left open, so that other writes can go on.
    lost_seconds
        Age at which a request may be sent again if its answer was lost and it shows no effect.
    """

    settle_seconds: float = 10.0
    settle_looks: int = 4
    tries: int = 5
    busy_seconds: float = 60.0
    poll_seconds: float = 1.0
    follow_seconds: float = 300.0
    lost_seconds: float = 300.0

    def after_trouble(self, troubles: int) -> float:
        """Seconds to wait after this number of troubles in a row, if the service states no time."""
        return min(self.busy_seconds * 2.0 ** (troubles - 1), LONGEST_PAUSE_SECONDS)

    def before_look(self, number: int) -> float:
        """Seconds to wait before a further look at an object that may or may not have been written: 0 is the first."""
        return self.settle_seconds * 4.0 ** (number - 1)

    def next_poll(self, seconds: float) -> float:
        """Seconds to wait before the next look at an operation, after a pause of this length."""
        return min(2 * seconds, LONGEST_POLL_SECONDS)
