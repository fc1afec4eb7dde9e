"""Limits the number of parallel requests to what the service sustains, and the number of requests per period."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SETTLE_SECONDS = 0.5
"""A refusal this soon after a halving was caused by requests that were sent before it."""


class AdaptiveLimiter:
    """Limiter with additive increase and multiplicative decrease of the number of parallel requests.

    The limit is halved when the service asks to slow down, and then grows again by one at a time.

    Parameters
    ----------
    most
        Maximum number of parallel requests, at least 1; also the initial limit.
    now
        Clock that returns seconds.
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
        """Number of requests that may run in parallel now."""
        return self._limit

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait until one more request may run, and count it as running."""
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
        """Record an answer; after as many answers as the limit, raise the limit by one."""
        with self._free:
            self._successes += 1
            if self._successes >= self._limit and self._limit < self._most:
                self._limit += 1
                self._successes = 0
                self._free.notify_all()

    def slowed(self) -> None:
        """Record that the service asked to slow down (429, 503): halve the limit, once per burst of refusals."""
        with self._free:
            if self._now() - self._halved_at >= _SETTLE_SECONDS:
                self._limit = max(1, self._limit // 2)
                self._halved_at = self._now()
            self._successes = 0


class Pacer:
    """Limits the number of requests in any period of a given length.

    Parameters
    ----------
    most, seconds
        Maximum number of requests in any period of ``seconds`` seconds.
    now, sleep
        Clock that returns seconds, and function that waits.
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


class SplitBudget:
    """Bound on the number of requests for parts of failed batches.

    One VM can make its batch fail on every try, which only smaller batches reveal. If every request fails, smaller
    batches reveal nothing. The budget is then used up, and the service receives no more requests than those for whole
    batches.

    Parameters
    ----------
    most
        Initial and maximum number of requests for parts. Each whole batch that succeeds allows one more, up to this
        number.
    """

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self._lock = threading.Lock()

    def take(self, requests: int) -> bool:
        """Reserve a number of further requests for parts; returns whether the budget allows them."""
        with self._lock:
            if self._left < requests:
                return False
            self._left -= requests
            return True

    def earn(self) -> None:
        """Allow one more request after a whole batch succeeded."""
        with self._lock:
            self._left = min(self._most, self._left + 1)
