"""The time limit of a solve, and the best cost and bound so far."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from optimizer.ports import Progress

T = TypeVar("T")

PROGRESS_UNITS = 100
"""Number of steps of a progress bar per unit of effort."""


class Beside(Generic[T]):
    """Runs a function in a thread of its own.

    Compiled code and the compiler run outside the interpreter, where Ctrl-C would be lost or arrive late. The main
    thread only waits, so it receives Ctrl-C at once. The thread ends with the program.

    Parameters
    ----------
    function
        Function to run.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result.append(self._function())
        except BaseException as exc:  # noqa: BLE001  # result() raises it again
            self._error = exc

    def result(self) -> T:
        """Wait for the function and return its result; an exception that it raised is raised here."""
        while self._thread.is_alive():
            self._thread.join(0.1)  # a wait without a timeout cannot be interrupted on every system
        if self._error is not None:
            raise self._error
        return self._result[0]


class SolveClock:
    """Wall-clock limit that remembers whether it stopped the work.

    Parameters
    ----------
    limit_seconds
        The limit in seconds, or None.
    monotonic
        Clock that returns seconds since some moment; tests pass their own.
    """

    def __init__(self, limit_seconds: float | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._began = monotonic()
        self._limit = limit_seconds
        self._reserved = 0.0
        self._cancelled = threading.Event()
        self.stopped_work = False

    def left(self) -> float | None:
        """Seconds left until the limit, without the reserved ones; None without a limit."""
        return None if self._limit is None else max(0.0, self._limit - self._reserved - self.seconds())

    def reserve(self, seconds: float) -> None:
        """Keep seconds for the work after the time limit, at most a fifth of the limit."""
        if self._limit is not None:
            self._reserved = min(seconds, self._limit / 5)

    def over(self) -> bool:
        """Whether the limit is used up or the work was cancelled; remembers that the limit was used up."""
        left = self.left()
        over = left is not None and left <= 0.0
        if over:  # several threads ask, so no thread may reset what another one has set
            self.stopped_work = True
        return over or self._cancelled.is_set()

    def cancel(self) -> None:
        """Make :meth:`over` return True from now on, so that everything that asks it ends soon."""
        self._cancelled.set()

    def seconds(self) -> float:
        """Seconds since the clock was created."""
        return self._monotonic() - self._began


class Incumbent:
    """Best cost and best bound so far, reported to a listener; search and ascent report from threads of their own.

    Parameters
    ----------
    reference
        Cost of the reference.
    effort
        Effort of the whole solve; every stage reports how much of it is spent.
    progress
        Called after every report, with a note such as ``cost 58.5, bound 56.9, captured 99.6 %``.
    """

    def __init__(self, reference: float, effort: float, progress: Progress) -> None:
        self._reference = reference
        self._total = round(PROGRESS_UNITS * effort)
        self._progress = progress
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self.cost = reference
        self.bound = -math.inf

    def report(self, stage: str, effort: float, cost: float = math.inf, bound: float = -math.inf) -> None:
        """Record the cost and bound that a stage has reached after some effort."""
        with self._lock:
            self.cost, self.bound = min(self.cost, cost), max(self.bound, bound)
            done = self._done[stage] = min(self._total, max(self._done.get(stage, 0), round(PROGRESS_UNITS * effort)))
            self._progress(stage, done, self._total, self.note())

    def finish(self) -> None:
        """Report that every stage has ended, with the work that it did."""
        with self._lock:
            for stage, done in self._done.items():
                self._progress(stage, done, done, self.note())

    def note(self) -> str:
        """Cost, bound and captured share, as far as they are known, as text."""
        text = f"cost {self.cost:.2f}"
        if self.bound > -math.inf:
            text += f", bound {self.bound:.2f}"
            if self._reference - self.bound > 1e-6:
                text += f", captured {100 * (self._reference - self.cost) / (self._reference - self.bound):.1f} %"
        return text
