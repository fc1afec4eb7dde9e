"""Faults on demand: refusals, failures, lost connections and slow answers."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from optimizer.emulator.refusal import Refusal, throttled

Fault = Literal["429", "500", "500_after", "502", "502_after", "503", "drop_before", "drop_after", "slow"]
"""With ``_after``, a write takes effect before the answer fails; other faults occur before anything is done."""

_WRITES = {"policy.put", "item.put", "policy.delete"}
"""Kinds of requests that change something, and can take effect before a failing answer."""

_MESSAGES = {
    "500": (500, "InternalServerError", "The service ran into an unexpected error."),
    "502": (502, "BadGateway", "The gateway did not receive an answer from the service."),
    "503": (503, "ServiceUnavailable", "The service is temporarily unavailable."),
}
"""Status, code and message of the faults that are failures of the service."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults of the emulated service; none by default.

    Parameters
    ----------
    rate_429, rate_500, rate_502
        Share of requests with this answer. Half of the writes with 500 or 502 take effect nevertheless.
    rate_503_while_polling
        Share of looks at operations with this answer.
    drop_before, drop_after
        Share of requests whose connection is lost before or after anything is done.
    retry_after
        ``Retry-After`` of 429 and 503 in seconds; None means that the header is absent.
    slow_seconds, rate_slow
        Delay of slow answers in seconds, and share of answers that are slow.
    only
        Kinds of requests that can have faults; empty means all kinds.
    at
        Faults at exact positions, counted from 1: ``(kind, n)`` for the n-th request of a kind, ``n`` for the n-th of
        all requests that ``only`` allows. They take precedence over the rates.
    most_per_second
        Number of requests in one second above which the answer is 429; None means no limit.
    seed
        Random seed of the rates.
    """

    rate_429: float = 0.0
    rate_500: float = 0.0
    rate_502: float = 0.0
    rate_503_while_polling: float = 0.0
    drop_before: float = 0.0
    drop_after: float = 0.0
    retry_after: float | None = None
    slow_seconds: float = 0.0
    rate_slow: float = 1.0
    only: tuple[str, ...] = ()
    at: Mapping[int | tuple[str, int], Fault] = field(default_factory=dict)
    most_per_second: int | None = None
    seed: int = 0

    def refusal(self, fault: Fault) -> Refusal:
        """Answer that a fault produces."""
        if fault == "429":
            message = "Number of requests for action 'read' exceeded the limit that the emulator imitates."
            return throttled("ResourceRequestsThrottled", message, self.retry_after)
        status, code, message = _MESSAGES[fault.removesuffix("_after")]
        wait = {"Retry-After": f"{self.retry_after:g}"} if fault == "503" and self.retry_after is not None else {}
        return Refusal(status, code, message, wait)


class FaultStream:
    """Chooses the fault of each request, in the order of the requests.

    Parameters
    ----------
    faults
        Possible faults.
    seconds
        Clock for ``most_per_second``, in seconds.

    Attributes
    ----------
    met
        Number of faults that occurred, by name.
    """

    def __init__(self, faults: Faults, seconds: Callable[[], float] = time.monotonic) -> None:
        self._faults, self._seconds = faults, seconds
        self.met: Counter[str] = Counter()
        self._random = random.Random(f"faults {faults.seed}")  # noqa: S311  # repeatable, not secret
        self._counts: Counter[str] = Counter()
        self._seen: deque[float] = deque()
        self._lock = threading.Lock()

    def next(self, kind: str) -> Fault | None:
        """Fault of the next request of a kind; None if it has none."""
        with self._lock:
            fault = self._next(kind)
            if fault is not None:
                self.met[fault] += 1
            return fault

    def _next(self, kind: str) -> Fault | None:
        faults = self._faults
        if faults.only and kind not in faults.only:
            return None
        self._counts[kind] += 1
        exact = faults.at.get((kind, self._counts[kind])) or faults.at.get(self._counts.total())
        if exact is not None:
            return exact
        if self._is_too_fast():
            return "429"
        return self._draw(kind)

    def _is_too_fast(self) -> bool:
        most, now = self._faults.most_per_second, self._seconds()
        if most is None:
            return False
        while self._seen and self._seen[0] <= now - 1:
            self._seen.popleft()
        if len(self._seen) >= most:
            return True
        self._seen.append(now)
        return False

    def _draw(self, kind: str) -> Fault | None:
        faults = self._faults
        luck, late, carried_out = (self._random.random() for _ in range(3))
        done = kind in _WRITES and carried_out < 0.5
        shares: list[tuple[Fault, float]] = [
            ("429", faults.rate_429),
            ("500_after" if done else "500", faults.rate_500),
            ("502_after" if done else "502", faults.rate_502),
            ("503", faults.rate_503_while_polling if kind == "operation" else 0.0),
            ("drop_before", faults.drop_before),
            ("drop_after", faults.drop_after),
        ]
        for fault, share in shares:
            if luck < share:
                return fault
            luck -= share
        return "slow" if faults.slow_seconds and late < faults.rate_slow else None
