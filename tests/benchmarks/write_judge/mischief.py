"""What goes wrong on the wire: refusals, failures, lost connections, operations without end, and sudden deaths."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from tests.benchmarks.write_judge.record import Exchange

When = Literal["before", "after"]


@dataclass(frozen=True)
class Trouble:
    """What befalls a request.

    Parameters
    ----------
    name
        As it is counted.
    when
        Before anything is carried out, or after.
    status, code, message, wait
        Of the answer; status 0: the connection is lost.
    """

    name: str
    when: When
    status: int
    code: str = ""
    message: str = ""
    wait: str = ""


_BUSY = "Number of requests exceeded the limit."
WRITE_TROUBLES = {
    "429": Trouble("429", "before", 429, "ResourceRequestsThrottled", _BUSY),
    "429 short": Trouble("429 short", "before", 429, "ResourceRequestsThrottled", _BUSY, "40"),
    "429 minutes": Trouble("429 minutes", "before", 429, "ResourceRequestsThrottled", _BUSY, "1500"),
    "429 text": Trouble(
        "429 text", "before", 429, "ResourceRequestsThrottled", f"{_BUSY} Please try again after 20 minutes."
    ),
    "500": Trouble("500", "before", 500, "InternalServerError", "The service ran into an unexpected error."),
    "500 after": Trouble("500 after", "after", 500, "InternalServerError", "The service ran into an error."),
    "502": Trouble("502", "before", 502, "BadGateway", "The gateway did not receive an answer."),
    "502 after": Trouble("502 after", "after", 502, "BadGateway", "The gateway did not receive an answer."),
    "503": Trouble("503", "before", 503, "ServiceUnavailable", "The service is unavailable.", "90"),
    "drop": Trouble("drop", "before", 0),
    "drop after": Trouble("drop after", "after", 0),
}
"""Troubles of writes that any write may meet."""

RARE_TROUBLES = {
    "429 day": Trouble("429 day", "before", 429, "ResourceRequestsThrottled", _BUSY, "86400"),
    "429 few hours": Trouble(
        "429 few hours",
        "before",
        429,
        "CloudDosTimeboudLimitReached",
        "The operation is blocked as too many requests were sent. Please retry after few hours.",
    ),
    "429 daily limit": Trouble(
        "429 daily limit",
        "before",
        429,
        "BMSUserErrorOperationsLimit",
        "Operation is blocked as you have reached the limit on number of operations permitted in 24 hours.",
    ),
}
"""Troubles that close a vault for long; each is met once at most."""

READ_TROUBLES = (
    Trouble("read 429", "before", 429, "ResourceRequestsThrottled", _BUSY, "0"),
    Trouble("read 500", "before", 500, "InternalServerError", "The service ran into an unexpected error."),
    Trouble("read 503", "before", 503, "ServiceUnavailable", "The service is unavailable."),
    Trouble("read drop", "before", 0),
)


@dataclass
class Death:
    """When a process dies.

    Parameters
    ----------
    of_writes
        Whether writes are counted, or all requests.
    number
        At which of them, from 1.
    when
        Before the service hears of it, or after.
    of_items
        Whether only the writes of protected items are counted.
    """

    of_writes: bool
    number: int
    when: When
    seen: int = 0
    of_items: bool = False

    def strikes(self, exchange: Exchange) -> bool:
        """Whether it is this request at which the process dies."""
        counts = exchange.is_write or not self.of_writes
        counts = counts and (not self.of_items or "/protecteditems/" in exchange.key)
        self.seen += counts
        return counts and self.seen == self.number


@dataclass
class Mischief:
    """Decides what befalls each request.

    Parameters
    ----------
    seed
        Of everything drawn.
    write_share, read_share
        Share of the writes and of the reads that something befalls.
    rare
        Names of rare troubles, "stuck" and "late", by number of the write, from 1.
    """

    seed: str
    write_share: float = 0.0
    read_share: float = 0.0
    rare: dict[int, str] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)
    num_writes: int = 0

    def __post_init__(self) -> None:
        """Make the draws repeatable."""
        self._random = random.Random(f"mischief {self.seed}")  # noqa: S311  # repeatable, not secret

    def befalls(self, exchange: Exchange) -> Trouble | Literal["stuck", "late"] | None:
        """What befalls a request; None: nothing."""
        found = self._of_write() if exchange.is_write else self._of_read()
        if found is not None:
            self.met[found if isinstance(found, str) else found.name] += 1
        return found

    def _of_write(self) -> Trouble | Literal["stuck", "late"] | None:
        self.num_writes += 1
        rare = self.rare.pop(self.num_writes, "")
        match rare:
            case "stuck" | "late":
                return rare
            case _:
                pass
        if rare:
            return (RARE_TROUBLES | WRITE_TROUBLES)[rare]
        if self._random.random() < self.write_share:
            return self._random.choice(list(WRITE_TROUBLES.values()))
        return None

    def _of_read(self) -> Trouble | None:
        return self._random.choice(READ_TROUBLES) if self._random.random() < self.read_share else None
