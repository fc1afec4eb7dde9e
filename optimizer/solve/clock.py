"""The time limit of a solve, and what is known so far of cost and bound."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from optimizer.ports import Progress

T = TypeVar("T")

PROGRESS_UNITS = 100
"""Steps of a progress bar for each unit of effort."""


class Beside(Generic[T]):
    """A function that runs in a thread of its own.

    Compiled code and the compiler run outside the interpreter, where Ctrl-C would be lost or come late: the main
    thread only waits, so that it is told at once.  The thread does not outlive the program.

    Parameters
    ----------
    function
        What runs.
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
        except BaseException as exc:  # noqa: BLE001  # raised again where somebody waits for it
            self._error = exc

    def result(self) -> T:
        """What the function returns, as soon as it does; what it raises is raised here."""
        while self._thread.is_alive():
            self._thread.join(0.1)  # a wait without end could not be interrupted everywhere
        if self._error is not None:
            raise self._error
        return self._result[0]


class SolveClock:
    """Wall-clock limit; remembers whether it cut in.

    Parameters
    ----------
    limit_seconds
        The limit, or None.
    monotonic
        Seconds since some moment; tests bring their own.
    """

    def __init__(self, limit_seconds: float | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._began = monotonic()
        self._limit = limit_seconds
        self._cancelled = threading.Event()
        self.cut_in = False

    def left(self) -> float | None:
        """Seconds left until the limit, or None without a limit."""
        return None if self._limit is None else max(0.0, self._limit - self.seconds())

    def over(self) -> bool:
        """Whether the limit is used up; remembers that it cut in."""
        over = self._limit is not None and self.seconds() >= self._limit
        if over:  # several threads ask: none may take back what another has seen
            self.cut_in = True
        return over or self._cancelled.is_set()

    def cancel(self) -> None:
        """Have everything that asks :meth:`over` end as soon as it does."""
        self._cancelled.set()

    def seconds(self) -> float:
        """Seconds since the beginning."""
        return self._monotonic() - self._began


class Standing:
    """Best cost and best bound so far, told to a listener; search and ascent report from threads of their own.

    Parameters
    ----------
    reference
        Cost of the reference.
    effort
        Effort of the whole solve; every stage reports how much of it is spent.
    progress
        Told after every report, with a note such as ``cost 58.5, bound 56.9, captured 99.6 %``.
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
        """Take in what a stage has reached after some effort."""
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
        """Cost, bound and the certified share, as far as they are known."""
        text = f"cost {self.cost:.2f}"
        if self.bound > -math.inf:
            text += f", bound {self.bound:.2f}"
            if self._reference - self.bound > 1e-6:
                text += f", captured {100 * (self._reference - self.cost) / (self._reference - self.bound):.1f} %"
        return text
