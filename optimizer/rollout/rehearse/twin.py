"""Rehearsal of a plan's file on a twin of the cloud, whose clock jumps instead of waiting."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from optimizer.estate import EstateDocument
from optimizer.journal import Commands
from optimizer.model.clock import SYSTEM_CLOCK, VirtualClock
from optimizer.model.rules import PolicyLimits
from optimizer.ports import BackupService, Clock, Progress, no_progress
from optimizer.rollout.carry_out.pace import Pace
from optimizer.rollout.prepare.plan_files import PlanFiles
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.rehearse.rehearsal import Rehearsal, rehearse
from optimizer.rollout.rehearse.stage import Stage, Twin

_PACE = Pace(settle_seconds=5.0, busy_seconds=300.0)
"""Waiting times of the rehearsal: its virtual clock jumps, so waiting costs no real time."""


class OpenTwin(Protocol):
    """Port through which a rehearsal reaches a twin of the cloud; :func:`optimizer.cloud.open_twin` implements it."""

    def __call__(
        self, document: EstateDocument, clock: Clock, limits: PolicyLimits
    ) -> AbstractContextManager[tuple[BackupService, Twin]]:
        """Start a twin that has the vaults, policies and items of an estate.

        Parameters
        ----------
        document
            The estate.
        clock
            Clock of the twin.
        limits
            Limits that the rules state for the real service; those of the twin are raised to them.
        """
        ...


def rehearse_plan(
    plan: str | Path | PlanFiles,
    open_twin: OpenTwin,
    *,
    start: datetime | None = None,
    scope: RunScope = RunScope(),  # noqa: B008  # frozen
    commands: Callable[[Path, Path], Commands] = Commands,
    progress: Progress = no_progress,
) -> Rehearsal:
    """Rehearse a plan on a twin of the cloud without real waiting: apply it, watch it, and roll it back.

    Parameters
    ----------
    plan
        Path of the plan, or the files of the plan.
    open_twin
        Starts the twin, such as :func:`optimizer.open_twin`, which is an emulator on this machine.
    start
        Start of the roll-out on the clock of the twin. None: now.
    scope
        How much of the plan to carry out.
    commands
        Returns the commands for the real plan that remarks offer, for the paths of the plan and its journal.
    progress
        Called after each write.

    Raises
    ------
    PlanFormatError
        The file is not a plan, or its changes do not match its fingerprint and its estate.
    StalePlanError
        The estate has changed since the plan was made.
    """
    files = PlanFiles.of(plan)
    case = files.case()
    clock = VirtualClock(start if start is not None else SYSTEM_CLOCK.now())
    with (
        tempfile.TemporaryDirectory(prefix="rehearsal-") as folder,
        open_twin(case.document, clock, case.plan.rules.policies) as (service, twin),
    ):
        stage = Stage.of(service, twin, clock, Path(folder), _PACE)
        offered = commands(files.plan_path, files.journal_path)
        return rehearse(case, stage, scope=scope, progress=progress, commands=offered)
