"""Clocks: the machine's, and one that jumps."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The clock of this machine; an :class:`optimizer.ports.Clock`.

    This is the only place of the program that reads the machine's time of day. Whatever depends on the time takes a
    clock as an argument, so that a test or a rehearsal can choose the time.
    """

    def now(self) -> datetime:
        """The present time, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(0.0, seconds))


SYSTEM_CLOCK = SystemClock()
"""Default of functions that take a clock."""


class VirtualClock:
    """A clock that stands still until somebody sleeps, and then jumps; an :class:`optimizer.ports.Clock`.

    Parameters
    ----------
    start
        Aware time at which it begins.
    """

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time that was reached, in UTC."""
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        """Jump ahead."""
        with self._lock:
            self._now += timedelta(seconds=max(0.0, seconds))
