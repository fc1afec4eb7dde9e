"""Data of a roll-out before its first write: the part of the plan, its approval, and the calendar of the writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from optimizer.documents import PlanDocument
from optimizer.journal import Commands, OpenWrite, Record, state_of
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.rollout.calendar.timed_writes import DEFAULT_WORKERS, Rollout
from optimizer.rollout.prepare.protections import Protection
from optimizer.rollout.prepare.scope import Approval, Command, RunScope
from optimizer.rollout.writes.write import Write


@dataclass(frozen=True)
class Prepared:
    """A run before its first write, with its calendar, after all checks that are possible in advance.

    Parameters
    ----------
    command
        Name of the command.
    plan, plan_path
        The plan and its path.
    inventory
        State before the first write.
    writes
        All writes that the run covers, made or not.
    begun
        Writes outside the selection that may still take effect.  The run looks at them, but never sends them.
    rollout
        Calendar of the remaining writes.
    journal_path
        Path of the journal, which may not exist yet.
    records
        Records that the journal contains so far.
    pilot
        Ids of the VMs that go first.
    scope, approval
        RunScope and approval as given.
    protections
        Protection of each vault, by id.
    remarks
        Remarks shown before the confirmation.
    commands
        Commands that continue with the plan, roll it back or watch it.
    tolerated
        State that a rollback leads back to, whose own breaches are tolerated.
    workers
        Number of lanes that are written side by side.
    unsettled
        For a rollback, the writes of the original journal that may still take effect, by number.
    """

    command: Command
    plan: PlanDocument
    plan_path: Path
    inventory: Inventory
    writes: tuple[Write, ...]
    rollout: Rollout
    journal_path: Path
    commands: Commands
    records: tuple[Record, ...] = ()
    begun: tuple[Write, ...] = ()
    pilot: frozenset[ArmId] = frozenset()
    scope: RunScope = field(default_factory=RunScope)
    approval: Approval = field(default_factory=Approval)
    protections: Mapping[ArmId, Protection] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    tolerated: Inventory | None = None
    workers: int = DEFAULT_WORKERS
    unsettled: Mapping[int, OpenWrite] = field(default_factory=dict)

    @property
    def num_made(self) -> int:
        """Number of writes that were made before, according to the journal."""
        return len(state_of(self.records).done)


def latest_end(rollout: Rollout, now: datetime) -> datetime:
    """Time by which every write of a calendar can be made, with two days to spare."""
    return max((timed.at for timed in rollout.writes), default=now) + timedelta(days=2)
