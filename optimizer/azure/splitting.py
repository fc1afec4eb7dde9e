"""Budget of requests for finding the VM that makes a batch fail."""

from __future__ import annotations

import threading


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
