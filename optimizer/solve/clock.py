"""The time limit of a solve, and what is known so far of cost and bound."""

from __future__ import annotations

import math
import threading
import time

from optimizer.ports import Progress


class SolveClock:
    """Wall-clock limit; remembers whether it cut in.

    Parameters
    ----------
    limit_seconds
        The limit, or None.
    """

    def __init__(self, limit_seconds: float | None) -> None:
        self.began = time.monotonic()
        self._limit = limit_seconds
        self.cut_in = False

    def left(self, share: float = 1.0) -> float | None:
        """Seconds left until a share of the limit, or None without a limit."""
        if self._limit is None:
            return None
        return max(0.0, self._limit * share - self.seconds())

    def over(self, share: float = 1.0) -> bool:
        """Whether a share of the limit is used up; remembers that it cut in."""
        over = self._limit is not None and self.seconds() >= self._limit * share
        self.cut_in |= over
        return over

    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began


class Standing:
    """Best cost and best bound so far, told to a listener; search and ascent report from threads of their own.

    Parameters
    ----------
    reference
        Cost of the reference.
    progress
        Told after every report, with a note such as ``cost 58.5, bound 56.9, captured 99.6 %``.
    """

    def __init__(self, reference: float, progress: Progress) -> None:
        self._reference = reference
        self._progress = progress
        self._lock = threading.Lock()
        self.cost = reference
        self.bound = -math.inf

    def report(self, stage: str, done: int, total: int, cost: float = math.inf, bound: float = -math.inf) -> None:
        """Take in what a stage has reached."""
        with self._lock:
            self.cost, self.bound = min(self.cost, cost), max(self.bound, bound)
            self._progress(stage, done, total, self.note())

    def note(self) -> str:
        """Cost, bound and the certified share, as far as they are known."""
        text = f"cost {self.cost:.2f}"
        if self.bound > -math.inf:
            text += f", bound {self.bound:.2f}"
            if self._reference - self.bound > 1e-6:
                text += f", captured {100 * (self._reference - self.cost) / (self._reference - self.bound):.1f} %"
        return text
