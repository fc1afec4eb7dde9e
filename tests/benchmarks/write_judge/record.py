"""What the judge is given: requests and changes, in the order in which they happened, and the jobs of the service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Resource = dict[str, Any]

OTHERS = "others"
"""Name of whoever changes things without the product."""


@dataclass
class Exchange:
    """A request that a machine sent, and its answer.

    Parameters
    ----------
    machine
        Which machine sent it.
    at
        When it arrived.
    method, path
        As sent; the path is decoded and without the query.
    body
        JSON of the request; None where there is none.
    status
        Of the answer; None: the connection was lost.
    headers
        Of the answer, names in lower case.
    answer
        JSON of the answer; None where there is none.
    phase
        Which command the machine ran: ``apply`` or ``rollback``.
    """

    machine: str
    at: datetime
    method: str
    path: str
    body: Any = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    answer: Any = None
    phase: str = "apply"

    @property
    def key(self) -> str:
        """The path in lower case."""
        return self.path.rstrip("/").lower()

    @property
    def is_write(self) -> bool:
        """Whether it asks for a change."""
        return self.method not in {"GET", "HEAD"} and not self.key.endswith("/resources")

    @property
    def took(self) -> bool:
        """Whether the answer says that the service took it."""
        return self.status is not None and self.status < 300


@dataclass(frozen=True)
class Change:
    """A change that took effect.

    Parameters
    ----------
    who
        A machine, or :data:`OTHERS`.
    at
        When it took effect.
    object_id
        Of the policy or the protected item.
    after
        The resource afterwards; None: it is gone.
    """

    who: str
    at: datetime
    object_id: str
    after: Resource | None

    @property
    def key(self) -> str:
        """The id in lower case."""
        return self.object_id.lower()


@dataclass(frozen=True)
class JobSpan:
    """A job as it really ran.

    Parameters
    ----------
    vault, vm
        Ids in lower case; ``vm`` is empty where the service itself does not say which VM it is of.
    start, end
        In UTC.
    operation
        ``Backup``, ``Restore`` ...
    succeeded
        Whether it made a recovery point.
    """

    vault: str
    vm: str
    start: datetime
    end: datetime
    operation: str = "Backup"
    succeeded: bool = True


@dataclass
class Log:
    """Everything that happened.

    Parameters
    ----------
    rules
        The planner's rules as TOML gives them.
    began
        When the first command was started.
    vaults, policies, items, vms
        Raw resources at the beginning.
    events
        Requests at their arrival and changes at their effect, in order.
    jobs
        Jobs of the service, those included that ran before.
    """

    rules: dict[str, Any]
    began: datetime
    vaults: list[Resource]
    policies: list[Resource]
    items: list[Resource]
    vms: list[Resource]
    events: list[Exchange | Change] = field(default_factory=list)
    jobs: list[JobSpan] = field(default_factory=list)

    @property
    def exchanges(self) -> Iterator[Exchange]:
        """Requests."""
        return (event for event in self.events if isinstance(event, Exchange))

    @property
    def changes(self) -> Iterator[Change]:
        """Changes."""
        return (event for event in self.events if isinstance(event, Change))


Rule = Literal[
    "body",
    "max moves",
    "twin",
    "grid",
    "default policy",
    "refused body",
    "VMs per policy",
    "policies per vault",
    "policy writes",
    "VMs at once",
    "VMs per day",
    "margin",
    "hourly",
    "job",
    "RPO",
    "gap",
    "freeze",
    "window",
    "cap",
    "order",
    "separate",
    "pin",
    "exclude",
    "look",
    "others",
    "stopped",
    "in progress",
    "retry-after",
    "twice",
    "delete",
    "request",
    "lost",
    "way back",
    "journal",
    "log",
]


@dataclass(frozen=True)
class Breach:
    """Something that must not happen.

    Parameters
    ----------
    rule
        Which rule was broken.
    at
        When.
    what
        Which object, and how.
    """

    rule: Rule
    at: datetime
    what: str

    def __str__(self) -> str:
        return f"[{self.rule}] {self.at:%Y-%m-%d %H:%M:%S} {self.what}"
