"""How many requests run at a time: as many as the service bears; and how many are sent in a stretch of time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SETTLE_SECONDS = 0.5
"""Refusals that follow a halving so closely were caused by the requests before it."""


class AdaptiveLimiter:
    """Additive increase, multiplicative decrease: halved when the service asks to slow down, then one more again.

    Parameters
    ----------
    most
        Requests at a time, at least 1; it begins with these.
    now
        A clock in seconds.
    """

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._now = now
        self._limit = most
        self._active = 0
        self._successes = 0
        self._halved_at = float("-inf")
        self._free = threading.Condition()

    @property
    def limit(self) -> int:
        """Requests that may run at a time now."""
        return self._limit

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a place among the running requests, and hold it."""
        with self._free:
            self._free.wait_for(lambda: self._active < self._limit)
            self._active += 1
        try:
            yield
        finally:
            with self._free:
                self._active -= 1
                self._free.notify_all()

    def succeeded(self) -> None:
        """A request was answered: after as many as may run at a time, allow one more."""
        with self._free:
            self._successes += 1
            if self._successes >= self._limit and self._limit < self._most:
                self._limit += 1
                self._successes = 0
                self._free.notify_all()

    def slowed(self) -> None:
        """The service asked to slow down (429, 503): halve, but once for a burst of refusals."""
        with self._free:
            if self._now() - self._halved_at >= _SETTLE_SECONDS:
                self._limit = max(1, self._limit // 2)
                self._halved_at = self._now()
            self._successes = 0


class Pacer:
    """Keeps to a number of requests in any stretch of time.

    Parameters
    ----------
    most, seconds
        Requests in any ``seconds``.
    now, sleep
        A clock in seconds, and how one waits.
    """

    def __init__(
        self,
        most: int,
        seconds: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds = seconds
        self._now = now
        self._sleep = sleep
        self._sent: deque[float] = deque(maxlen=most)

    def wait(self) -> None:
        """Wait until the next request may be sent, and count it."""
        if len(self._sent) == self._sent.maxlen:
            pause = self._sent[0] + self._seconds - self._now()
            if pause > 0:
                self._sleep(pause)
        self._sent.append(self._now())
