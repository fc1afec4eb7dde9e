"""How much may be spent on finding the VM that makes a batch fail."""

from __future__ import annotations

import threading


class SplitBudget:
    """A bound on the requests for parts of batches that failed.

    One VM can make its batch fail on every try, which only smaller batches show.  If everything fails, smaller
    batches show nothing: then the budget runs out, and the service is asked no more than for the batches themselves.

    Parameters
    ----------
    most
        Requests for parts at the start.  Each batch that succeeds as a whole allows one more, up to this number.
    """

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self._lock = threading.Lock()

    def take(self, requests: int) -> bool:
        """Whether so many more requests for parts may be sent; they are counted if so."""
        with self._lock:
            if self._left < requests:
                return False
            self._left -= requests
            return True

    def earn(self) -> None:
        """Allow one more request, since a whole batch succeeded."""
        with self._lock:
            self._left = min(self._most, self._left + 1)
