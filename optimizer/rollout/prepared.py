"""A roll-out before its first write, as data: which part of a plan, who stands behind it, what is due when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from optimizer.model.inventory import Inventory
from optimizer.plan.document import PlanDocument
from optimizer.rollout.calendar import DEFAULT_WORKERS
from optimizer.rollout.commands import Commands
from optimizer.rollout.journal import OpenWrite, Record
from optimizer.rollout.protections import Protection
from optimizer.rollout.selection import Selector
from optimizer.rollout.stages import Rollout, Write

Command = Literal["apply", "rollback", "rehearse"]


@dataclass(frozen=True)
class Approval:
    """Who stands behind a run.

    Parameters
    ----------
    approved_by, ticket
        As they are put into the journal; empty where not given.
    """

    approved_by: str = ""
    ticket: str = ""


@dataclass(frozen=True)
class Scope:
    """Which part of a plan a run is about.

    Parameters
    ----------
    only
        Selectors of VMs; none means all.
    max_moves
        VMs that may move at most; None: any number.
    wave_percent
        Share of the VMs that goes first as a pilot; None: no pilot.
    """

    only: tuple[Selector, ...] = ()
    max_moves: int | None = None
    wave_percent: float | None = None

    def options(self) -> dict[str, Any]:
        """As the journal keeps it."""
        only = [f"{selector.kind}={selector.pattern}" for selector in self.only]
        pairs = {"only": only, "max_moves": self.max_moves, "wave": self.wave_percent}
        return {key: value for key, value in pairs.items() if value not in (None, [])}


@dataclass(frozen=True)
class Prepared:
    """A run before its first write: what is to be done, laid out in time, with everything checked that can be.

    Parameters
    ----------
    command
        What is run.
    plan, plan_path
        The plan.
    inventory
        What the writes start from.
    writes
        What the run is about, made or not.
    begun
        Writes outside the selection that may still take effect: the run looks at them, and never sends them.
    rollout
        Calendar of what is left.
    journal_path
        Where the journal is, or will be.
    records
        What it holds so far.
    pilot
        VM ids that go first.
    scope, approval
        As given.
    protections
        Of each vault, by id.
    remarks
        Shown before the confirmation.
    commands
        Commands that go on with the plan, take it back or watch it.
    tolerated
        The state that a rollback leads back to, whatever it broke.
    workers
        Lanes that are written side by side.
    unsettled
        For a rollback, the writes of the journal that is taken back that may still take effect, by number.
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
    pilot: frozenset[str] = frozenset()
    scope: Scope = Scope()
    approval: Approval = Approval()
    protections: Mapping[str, Protection] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    tolerated: Inventory | None = None
    workers: int = DEFAULT_WORKERS
    unsettled: Mapping[int, OpenWrite] = field(default_factory=dict)


def latest_end(rollout: Rollout, now: datetime) -> datetime:
    """A time by which every write of a calendar can be made, with two days to spare."""
    return max((timed.at for timed in rollout.writes), default=now) + timedelta(days=2)
