"""Data of a roll-out before its first write: the part of the plan, its approval, and the calendar of the writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from optimizer.documents import PlanDocument
from optimizer.errors import ApplyError
from optimizer.journal import Commands, OpenWrite, Record, state_of
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.rollout.calendar.rollout_limits import RolloutLimits
from optimizer.rollout.calendar.timed_writes import Rollout
from optimizer.rollout.prepare.earlier_runs import RunJournal
from optimizer.rollout.prepare.plan_case import PlanCase
from optimizer.rollout.prepare.protections import Protection
from optimizer.rollout.prepare.scope import Approval, Command, RollbackScope, RunScope
from optimizer.rollout.prepare.selection import Selection
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.write import Write


@dataclass(frozen=True)
class Prepared:
    """A run before its first write, with its calendar, after all checks that are possible in advance.

    Parameters
    ----------
    case
        The plan, its path, and its estate.
    journal
        Journal of the run, which may not exist yet.
    baseline
        State before the first write, and what every later state must keep.
    selection
        Writes that the run covers, made or not, and writes that it only looks at.
    rollout
        Calendar of the remaining writes.
    commands
        Commands that continue with the plan, roll it back or watch it.
    limits
        Pilot, and number of lanes that are written side by side.
    records
        Records that the journal contains so far.
    scope, approval
        Scope and approval as given, completed by those of the run before.
    protections
        Protection of each vault, by id.
    remarks
        Remarks shown before the confirmation.
    unsettled
        For a rollback, the writes of the original journal that may still take effect, by number.
    """

    case: PlanCase
    journal: RunJournal
    baseline: Baseline
    selection: Selection
    rollout: Rollout
    commands: Commands
    limits: RolloutLimits = field(default_factory=RolloutLimits)
    records: tuple[Record, ...] = ()
    scope: RunScope | RollbackScope = field(default_factory=RunScope)
    approval: Approval = field(default_factory=Approval)
    protections: Mapping[ArmId, Protection] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    unsettled: Mapping[int, OpenWrite] = field(default_factory=dict)

    @property
    def command(self) -> Command:
        """Name of the command."""
        return self.journal.command

    @property
    def plan(self) -> PlanDocument:
        """The plan."""
        return self.case.plan

    @property
    def plan_path(self) -> Path:
        """Path of the plan."""
        return self.case.path

    @property
    def journal_path(self) -> Path:
        """Path of the journal."""
        return self.journal.path

    @property
    def inventory(self) -> Inventory:
        """State before the first write."""
        return self.baseline.inventory

    @property
    def writes(self) -> tuple[Write, ...]:
        """All writes that the run covers, made or not."""
        return self.selection.writes

    @property
    def begun(self) -> tuple[Write, ...]:
        """Writes outside the selection that may still take effect. The run looks at them, but never sends them."""
        return self.selection.begun

    @property
    def pilot(self) -> frozenset[ArmId]:
        """Ids of the VMs that go first."""
        return self.limits.pilot

    @property
    def num_made(self) -> int:
        """Number of writes that were made before, according to the journal."""
        return len(state_of(self.records).done)

    def require(self, command: Command) -> None:
        """Refuse to carry out a run of another command.

        Raises
        ------
        ApplyError
            The preparation is that of another command.
        """
        if self.command != command:
            raise ApplyError(f"{self.journal_path}: this is a prepared {self.command!r}, not {command!r}")

    def guard_requests(self) -> dict[tuple[ArmId, str], tuple[str, ...]]:
        """Approved requests that a Resource Guard asks for, by vault id and ``policy`` or ``item``."""
        return {
            (vault_id, kind): requests
            for vault_id, protection in self.protections.items()
            for kind, requests in protection.guard_requests.items()
        }


def latest_end(rollout: Rollout, now: datetime) -> datetime:
    """Time by which every write of a calendar can be made, with two days to spare."""
    return max((timed.at for timed in rollout.writes), default=now) + timedelta(days=2)
