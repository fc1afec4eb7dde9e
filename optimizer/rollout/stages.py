"""What a roll-out consists of: writes in order, each with the time in which it may be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from optimizer.ports import Resource

WriteKind = Literal["create_policy", "edit_policy", "reassign_item", "delete_policy"]


@dataclass(frozen=True, slots=True)
class Write:
    """One write to Azure, whether of a plan or of its rollback.

    Parameters
    ----------
    number
        1, 2 ... in the order of the plan (or of the rollback); names the write in journal and ledger.
    kind
        What is done.
    vault_id
        The vault that it is done in.
    object_id
        ARM id of the policy or item that is written.
    name
        Of the object, for people.
    body
        Properties that are sent; empty for a deletion.
    before
        The object as the plan knows it, as it came; None where there must be none.
    vms
        ARM ids of the VMs whose backup this write changes; empty where a policy is only created or deleted.
    start_before, start_after
        ``HH:MM`` in the policy's zone before and after, where a start changes.
    policy_before, policy_after
        ARM ids of the policy of the VMs before and after, where an item is reassigned.
    needs
        Numbers of writes that must have been made before.
    """

    number: int
    kind: WriteKind
    vault_id: str
    object_id: str
    name: str
    body: Mapping[str, Any] = field(repr=False, hash=False)
    before: Resource | None = field(repr=False, hash=False)
    vms: tuple[str, ...] = ()
    start_before: str = ""
    start_after: str = ""
    policy_before: str = ""
    policy_after: str = ""
    needs: tuple[int, ...] = ()

    @property
    def counts_as_policy_write(self) -> bool:
        """Whether it is taken from the budget of policy writes."""
        return self.kind in {"create_policy", "edit_policy"}


@dataclass(frozen=True, slots=True)
class TimedWrite:
    """A write with the time in which it may be made.

    Parameters
    ----------
    write
        The write.
    at
        When the calendar makes it.
    opens, closes
        The time around ``at`` in which gates, RPO and freezes allow it: ``[opens, closes)``.
    day
        Day of the roll-out, 1, 2 ...: as many as have elapsed since its beginning, in periods of 24 h, plus one.
    wave
        1 for a pilot or where there is none, 2 for what follows it.
    lane
        Writes of one lane are made one after the other in this order; lanes do not touch each other.
    """

    write: Write
    at: datetime
    opens: datetime
    closes: datetime
    day: int
    wave: int = 1
    lane: int = 0


@dataclass(frozen=True, slots=True)
class Blocked:
    """A write that cannot be made at any time of the calendar, and why."""

    write: Write
    reason: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """Writes of a plan laid out in time.

    Parameters
    ----------
    began
        The time from which it was laid out.
    writes
        By time; within a lane in the order of making.
    blocked
        Writes for which there is no time, with the reason.
    notes
        What a reader should know beside that.
    """

    began: datetime
    writes: tuple[TimedWrite, ...]
    blocked: tuple[Blocked, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def num_days(self) -> int:
        """Days that the roll-out takes."""
        return max((timed.day for timed in self.writes), default=0)
