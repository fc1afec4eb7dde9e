"""Connects a rehearsal of a plan with the Azure adapter and the emulator."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.estate.folder import Estate
from optimizer.model.clock import SYSTEM_CLOCK, VirtualClock
from optimizer.plan.document import PlanDocument
from optimizer.ports import Progress, no_progress
from optimizer.rollout.calendar import DEFAULT_WORKERS
from optimizer.rollout.carry_out import Pace
from optimizer.rollout.commands import Commands
from optimizer.rollout.prepared import Scope
from optimizer.rollout.rehearsal import Rehearsal, rehearse

if TYPE_CHECKING:
    from optimizer.emulator.settings import Settings as EmulatorSettings


def rehearse_plan(
    plan: PlanDocument,
    plan_path: str | Path,
    estate: Estate,
    *,
    start: datetime | None = None,
    scope: Scope = Scope(),  # noqa: B008  # frozen
    workers: int = DEFAULT_WORKERS,
    progress: Progress = no_progress,
    commands: Commands | None = None,
) -> Rehearsal:
    """Rehearse a plan on an emulated Azure without real waiting: apply it, watch it, and roll it back.

    Parameters
    ----------
    plan, plan_path, estate
        The plan, the path of its file, and its estate.
    start
        Start of the roll-out on the emulator's clock; None means now.
    scope
        Part of the plan to carry out.
    workers
        Number of lanes that write in parallel.
    progress
        Called after each write.
    commands
        Commands for the real plan that remarks suggest.

    Raises
    ------
    PlanFormatError
        The changes do not match the plan's fingerprint and its estate.
    """
    from optimizer.azure.connection import Connection
    from optimizer.azure.service import AzureBackupService
    from optimizer.emulator import Emulator

    clock = VirtualClock(start if start is not None else SYSTEM_CLOCK.now())
    with (
        tempfile.TemporaryDirectory(prefix="rehearsal-") as folder,
        Emulator.of_estate(estate.document, clock=clock, settings=_limits(plan)) as emulator,
    ):
        service = AzureBackupService(Connection.to_emulator(emulator.endpoint, emulator.ca_file))
        return rehearse(
            plan,
            Path(plan_path),
            estate.document,
            service,
            emulator,
            clock,
            Path(folder),
            scope=scope,
            workers=workers,
            pace=_PACE,
            progress=progress,
            commands=commands,
        )


def _limits(plan: PlanDocument) -> EmulatorSettings:
    """Limits of the emulator, raised to those that the rules state for the real service."""
    from optimizer.emulator.settings import Settings

    usual, stated = Settings(), plan.rules.policies
    return Settings(
        max_items_per_policy=max(usual.max_items_per_policy, stated.max_vms_per_policy or 0),
        max_policies_per_vault=max(usual.max_policies_per_vault, stated.max_policies_per_vault),
        policy_writes_per_day=max(usual.policy_writes_per_day, stated.max_writes_per_day),
    )


_PACE = Pace(settle_seconds=5.0, busy_seconds=300.0)
"""Waiting times of the rehearsal: its virtual clock jumps, so waiting costs no real time."""
