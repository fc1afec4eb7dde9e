"""A clock that several processes share: it stands in a file, and jumps for all of them when one sleeps."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path


class SharedClock:
    """A :class:`optimizer.ports.Clock` in a file.

    Parameters
    ----------
    file
        Where the time stands; written by one process at a time.
    start
        Time at which it begins; None: go on from what the file says.
    """

    def __init__(self, file: Path, start: datetime | None = None) -> None:
        self._file = file
        if start is not None:
            self._put(start.astimezone(UTC))

    def now(self) -> datetime:
        """The time that was reached, in UTC."""
        return datetime.fromisoformat(self._file.read_text("ascii"))

    def sleep(self, seconds: float) -> None:
        """Jump ahead."""
        self._put(self.now() + timedelta(seconds=max(0.0, seconds)))

    def side_by_side(
        self, tasks: Sequence[Callable[[], None]], interrupted: Callable[[], bool] = lambda: True
    ) -> None:
        """Run tasks one after the other."""
        del interrupted
        for task in tasks:
            task()

    def _put(self, moment: datetime) -> None:
        scratch = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        scratch.write_text(moment.isoformat(), "ascii")
        scratch.replace(self._file)
