"""A clock that jumps, in a file: the service and every process of the product see the same time."""

from __future__ import annotations

import fcntl
import mmap
import struct
import threading
from collections.abc import Callable, Sequence
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
        self._turns: Turns | None = None
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
        turns = self._turns
        if turns is not None and turns.take_part():
            turns.rest(self.now() + timedelta(seconds=max(0.0, seconds)))
            return
        self._jump(seconds)

    def side_by_side(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Run tasks in threads of which one runs at a time; while all sleep, time jumps to the first that wakes."""
        self._turns = Turns(self)
        try:
            self._turns.run(tasks)
        finally:
            self._turns = None

    def _jump(self, seconds: float) -> None:
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
        self._jump((moment - self.now()).total_seconds())

    def close(self) -> None:
        """Give the file back."""
        self._memory.close()
        self._file.close()


class _Ended(BaseException):
    """Another thread failed, so this one ends."""


class Turns:
    """Threads of one process that take turns: whoever wakes first runs until it sleeps.

    Parameters
    ----------
    clock
        The clock that jumps while all sleep.
    """

    def __init__(self, clock: SharedClock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._wakes: dict[threading.Thread, tuple[datetime, int]] = {}
        self._members: set[threading.Thread] = set()
        self._running: threading.Thread | None = None
        self._errors: list[BaseException] = []
        self._count = 0

    def take_part(self) -> bool:
        """Whether the calling thread is one of these."""
        return threading.current_thread() in self._members

    def run(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Run tasks until all have ended; raise what the first of them raised that failed."""
        now = self._clock.now()
        threads = [threading.Thread(target=self._work, args=(task,), daemon=True) for task in tasks]
        self._members.update(threads)
        self._wakes = {thread: (now, place) for place, thread in enumerate(threads)}
        self._count = len(threads)
        for thread in threads:
            thread.start()
        with self._changed:
            self._pass_on()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def rest(self, until: datetime) -> None:
        """Sleep until a time at least, and until it is the calling thread's turn."""
        with self._changed:
            self._count += 1
            self._wakes[threading.current_thread()] = (until, self._count)
            self._pass_on()
            self._await_turn()

    def _work(self, task: Callable[[], None]) -> None:
        try:
            with self._changed:
                self._await_turn()
            task()
        except _Ended:
            pass
        except BaseException as exc:  # noqa: BLE001  # raised again in the thread that runs the tasks
            self._errors.append(exc)
        finally:
            with self._changed:
                self._wakes.pop(threading.current_thread(), None)
                self._pass_on()

    def _await_turn(self) -> None:
        while self._running is not threading.current_thread() and not self._errors:
            self._changed.wait()
        if self._errors:
            raise _Ended

    def _pass_on(self) -> None:
        self._running = min(self._wakes, key=self._wakes.__getitem__, default=None)
        if self._running is not None:
            self._clock.advance_to(self._wakes.pop(self._running)[0])
        self._changed.notify_all()
