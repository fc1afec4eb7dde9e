"""A clock that jumps, in a file: the service and every process of the product see the same time."""

from __future__ import annotations

import fcntl
import mmap
import struct
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMAT = "=q"


class SharedClock:
    """A clock that stands still until somebody sleeps, and then jumps, for all processes that have its file.

    Parameters
    ----------
    path
        The file; made with :meth:`create`.
    ahead
        How much the clock of this machine is ahead of the others'.
    """

    def __init__(self, path: Path, ahead: timedelta = timedelta()) -> None:
        self.path, self._ahead, self._lock = path, ahead, threading.Lock()
        self._file = path.open("r+b")
        self._memory = mmap.mmap(self._file.fileno(), struct.calcsize(_FORMAT))

    @classmethod
    def create(cls, path: Path, start: datetime) -> SharedClock:
        """A clock of a new file."""
        path.write_bytes(struct.pack(_FORMAT, (start - _EPOCH) // timedelta(microseconds=1)))
        return cls(path)

    def now(self) -> datetime:
        """The time that was reached, in UTC."""
        (microseconds,) = struct.unpack(_FORMAT, self._memory[:])
        return _EPOCH + timedelta(microseconds=microseconds) + self._ahead

    def sleep(self, seconds: float) -> None:
        """Jump ahead; a process that dies meanwhile leaves the clock whole."""
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                (microseconds,) = struct.unpack(_FORMAT, self._memory[:])
                microseconds += max(0, round(seconds * 1e6))
                self._memory[:] = struct.pack(_FORMAT, microseconds)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def advance_to(self, moment: datetime) -> None:
        """Jump to a time that is still to come."""
        self.sleep((moment - self.now()).total_seconds())

    def close(self) -> None:
        """Give the file back."""
        self._memory.close()
        self._file.close()
