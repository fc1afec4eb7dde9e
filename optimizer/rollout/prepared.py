"""Data of a roll-out before its first write: the part of the plan, its approval, and the calendar of the writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from optimizer.journal import Commands, OpenWrite, Record, state_of
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.plan.document import PlanDocument
from optimizer.rollout.calendar import DEFAULT_WORKERS
from optimizer.rollout.protections import Protection
from optimizer.rollout.selection import Selector, as_words, parse_selector
from optimizer.rollout.stages import Rollout, Write

Command = Literal["apply", "rollback", "rehearse"]


@dataclass(frozen=True)
class Approval:
    """Approval of a run.

    Parameters
    ----------
    approved_by, ticket
        Approver and ticket as the journal records them; empty if not given.
    """

    approved_by: str = ""
    ticket: str = ""


@dataclass(frozen=True)
class RunScope:
    """Part of a plan that a run covers.

    Parameters
    ----------
    only
        Selectors of VMs.  Empty: all VMs.
    max_moves
        Maximum number of VMs that may move.  None: no maximum.
    wave_percent
        Share of the VMs, in percent, that go first as a pilot.  None: no pilot.
    """

    only: tuple[Selector, ...] = ()
    max_moves: int | None = None
    wave_percent: float | None = None

    @classmethod
    def of(cls, *only: str, max_moves: int | None = None, wave_percent: float | None = None) -> RunScope:
        """RunScope of the VMs that any of the texts selects, such as ``vault=weu-01``; see :func:`parse_selector`.

        Raises
        ------
        UsageError
            A text does not select VMs.
        """
        return cls(tuple(map(parse_selector, only)), max_moves, wave_percent)

    def words(self, *, besides: str = "") -> list[str]:
        """Command-line words for the scope, without the selectors of one kind (``besides``)."""
        words = as_words(one for one in self.only if one.kind != besides)
        words += [] if self.max_moves is None else ["--max-moves", f"{self.max_moves}"]
        return words + ([] if self.wave_percent is None else ["--wave", f"{self.wave_percent:g}"])

    def options(self) -> dict[str, Any]:
        """Options in the form in which the journal records them."""
        only = [f"{selector.kind}={selector.pattern}" for selector in self.only]
        pairs = {"only": only, "max_moves": self.max_moves, "wave": self.wave_percent}
        return {key: value for key, value in pairs.items() if value not in (None, [])}


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
    scope: RunScope = RunScope()
    approval: Approval = Approval()
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
