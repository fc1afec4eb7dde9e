"""A clock that jumps, in a file: the service and every process of the product see the same time."""

from __future__ import annotations

import fcntl
import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

from optimizer.model.clock import VirtualClock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMAT = "=q"


class SharedClock(VirtualClock):
    """A virtual clock whose time is in a file: all processes that open it share one time.

    How tasks of one process take turns is left to the virtual clock. Only the place of its time is different, and that
    time never goes back: two processes that sleep for a minute each at the same moment wake at the same moment.

    Parameters
    ----------
    path
        The file; made with :meth:`create`.
    ahead
        How much the clock of this machine is ahead of the others'.
    """

    def __init__(self, path: Path, ahead: timedelta = timedelta()) -> None:
        self.path, self._ahead = path, ahead
        self._file = path.open("r+b")
        self._memory = mmap.mmap(self._file.fileno(), struct.calcsize(_FORMAT))
        super().__init__(self._now)

    @classmethod
    def create(cls, path: Path, start: datetime) -> SharedClock:
        """A clock of a new file."""
        path.write_bytes(struct.pack(_FORMAT, (start - _EPOCH) // timedelta(microseconds=1)))
        return cls(path)

    @property
    def _now(self) -> datetime:
        (microseconds,) = struct.unpack(_FORMAT, self._memory[:])
        return _EPOCH + timedelta(microseconds=microseconds)

    @_now.setter
    def _now(self, moment: datetime) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)  # the system gives it back if the process dies
        try:
            if moment > self._now:
                self._memory[:] = struct.pack(_FORMAT, (moment - _EPOCH) // timedelta(microseconds=1))
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def now(self) -> datetime:
        """The time that was reached, in UTC, as this machine's clock shows it."""
        return super().now() + self._ahead

    def close(self) -> None:
        """Give the file back."""
        self._memory.close()
        self._file.close()
