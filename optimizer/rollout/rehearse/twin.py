"""Rehearsal of a plan's file on a twin of the cloud, whose clock jumps instead of waiting."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from optimizer.documents import open_estate_of, read_plan
from optimizer.estate import EstateDocument
from optimizer.journal import Commands, journal_path
from optimizer.model.clock import SYSTEM_CLOCK, VirtualClock
from optimizer.model.rules import PolicyLimits
from optimizer.ports import BackupService, Clock, Progress, no_progress
from optimizer.rollout.calendar.timed_writes import DEFAULT_WORKERS
from optimizer.rollout.carry_out.pace import Pace
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.rehearse.rehearsal import Rehearsal, Twin, rehearse

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
    plan_file: str | Path,
    open_twin: OpenTwin,
    *,
    estate: str | Path | None = None,
    start: datetime | None = None,
    scope: RunScope = RunScope(),  # noqa: B008  # frozen
    workers: int = DEFAULT_WORKERS,
    commands: Callable[[Path, Path], Commands] = Commands,
    progress: Progress = no_progress,
) -> Rehearsal:
    """Rehearse a plan on a twin of the cloud without real waiting: apply it, watch it, and roll it back.

    Parameters
    ----------
    plan_file
        Path of the plan.
    open_twin
        Starts the twin, such as :func:`optimizer.cloud.open_twin`, which is an emulator on this machine.
    estate
        Folder or URL of the estate.  None: the one named in the plan.
    start
        Start of the roll-out on the clock of the twin.  None: now.
    scope
        Part of the plan to carry out.
    workers
        Number of vaults that are written side by side.
    commands
        Returns the commands for the real plan that remarks offer.
    progress
        Called after each write.

    Raises
    ------
    PlanFormatError
        The file is not a plan, or its changes do not match its fingerprint and its estate.
    StalePlanError
        The estate has changed since the plan was made.
    """
    path = Path(plan_file)
    plan = read_plan(path)
    document = open_estate_of(plan, path, estate).document
    clock = VirtualClock(start if start is not None else SYSTEM_CLOCK.now())
    with (
        tempfile.TemporaryDirectory(prefix="rehearsal-") as folder,
        open_twin(document, clock, plan.rules.policies) as (service, twin),
    ):
        return rehearse(
            plan,
            path,
            document,
            service,
            twin,
            clock,
            Path(folder),
            scope=scope,
            workers=workers,
            pace=_PACE,
            progress=progress,
            commands=commands(path, journal_path(path)),
        )
