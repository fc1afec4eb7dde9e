"""Parts of a roll-out: writes in order, each with the time in which it may be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from optimizer.journal import WriteKind
from optimizer.model.arm_id import NO_ID, ArmId
from optimizer.model.caseless import hold
from optimizer.ports import Resource


@dataclass(frozen=True, slots=True)
class Write:
    """One write to Azure, for a plan or its rollback.

    Parameters
    ----------
    number
        Number in the order of the plan (or of the rollback): 1, 2, ...  It identifies the write in journal and ledger.
    kind
        Kind of the write.
    vault_id
        Id of the vault.
    object_id
        ARM id of the policy or item that is written.
    name
        Name of the object, for people.
    body
        Properties that are sent; empty for a deletion.
    before
        ARM resource of the object as the plan knows it; None if it must not exist.
    vms
        ARM ids of the VMs whose backup this write changes; empty if a policy is only created or deleted.
    start_before, start_after
        Start before and after as ``HH:MM`` in the policy's zone, if a start changes.
    policy_before, policy_after
        ARM ids of the VMs' policy before and after, if an item is reassigned.
    needs
        Numbers of the writes that must be made before this one.
    """

    number: int
    kind: WriteKind
    vault_id: ArmId
    object_id: ArmId
    name: str
    body: Mapping[str, Any] = field(repr=False, hash=False)
    before: Resource | None = field(repr=False, hash=False)
    vms: tuple[ArmId, ...] = ()
    start_before: str = ""
    start_after: str = ""
    policy_before: ArmId = NO_ID
    policy_after: ArmId = NO_ID
    needs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        hold(self, ArmId, ["vault_id", "object_id", "policy_before", "policy_after"])
        object.__setattr__(self, "vms", tuple(map(ArmId, self.vms)))

    @property
    def counts_as_policy_write(self) -> bool:
        """Whether the write uses the budget of policy writes."""
        return self.kind in {"create_policy", "edit_policy"}

    def summary(self) -> dict[str, Any]:
        """What the write changes, as JSON data, without the bodies that are sent."""
        return {
            "number": self.number,
            "kind": self.kind,
            "object_id": self.object_id,
            "vms": list(self.vms),
            "start_before": self.start_before,
            "start_after": self.start_after,
        }


@dataclass(frozen=True, slots=True)
class TimedWrite:
    """A write with the time in which it may be made.

    Parameters
    ----------
    write
        The write itself.
    at
        Time of the write in the calendar.
    opens, closes
        Period ``[opens, closes)`` around ``at`` in which gates, RPO and freezes allow the write.
    day
        Day of the roll-out, 1, 2, ...: the number of 24-hour periods since its beginning, including the current one.
    wave
        1 for the pilot, or if there is no pilot; 2 for the writes that follow the pilot.
    lane
        Number of the lane.  Writes of one lane are made one after the other in this order; lanes do not affect each
        other.
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
    """A write that cannot be made at any time of the calendar, with the reason."""

    write: Write
    reason: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """Calendar of a plan's writes.

    Parameters
    ----------
    began
        Time at which the calendar begins.
    writes
        Timed writes in order of time; within a lane, in the order in which they are made.
    blocked
        Writes without a possible time, with the reason.
    notes
        Other remarks for the reader.
    """

    began: datetime
    writes: tuple[TimedWrite, ...]
    blocked: tuple[Blocked, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def num_days(self) -> int:
        """Number of days that the roll-out takes."""
        return max((timed.day for timed in self.writes), default=0)

    @property
    def num_vms(self) -> int:
        """Number of VMs that the timed writes move."""
        return len({vm for timed in self.writes for vm in timed.write.vms})

    def count(self, kind: WriteKind) -> int:
        """Number of timed writes of a kind."""
        return sum(timed.write.kind == kind for timed in self.writes)

    def by_vault(self) -> list[Rollout]:
        """Calendars of one day, one wave and one vault each, in this order."""
        groups: dict[tuple[int, int, str], list[TimedWrite]] = {}
        for timed in self.writes:
            groups.setdefault((timed.day, timed.wave, timed.write.vault_id), []).append(timed)
        return [Rollout(self.began, tuple(groups[key])) for key in sorted(groups)]
