"""A clock that stands still while real threads run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from optimizer.model.clock import SystemClock


class StandingClock:
    """A :class:`optimizer.ports.Clock` that stands still, with the threads of the system: they run at the same time.

    Parameters
    ----------
    at
        The time that it always shows.
    """

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._system = SystemClock()

    def now(self) -> datetime:
        """Always the same time."""
        return self._at

    def sleep(self, seconds: float) -> None:
        """Wait for a moment."""
        self._system.sleep(min(seconds, 0.002))

    def side_by_side(
        self, tasks: Sequence[Callable[[], None]], interrupted: Callable[[], bool] = lambda: True
    ) -> None:
        """Run tasks on threads of the system."""
        self._system.side_by_side(tasks, interrupted)
