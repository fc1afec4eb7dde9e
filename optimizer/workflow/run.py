"""What ``apply`` and ``rollback`` share: the ledger of this machine, and the run of a prepared command."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from optimizer.errors import ApplyError
from optimizer.ports import Progress
from optimizer.rollout import run
from optimizer.rollout.carry_out import Pace
from optimizer.rollout.ledger import Ledger, state_folder
from optimizer.rollout.outcome import Outcome
from optimizer.rollout.prepared import Command, Prepared
from optimizer.workflow.cloud import Cloud


def ledger_of(cloud: Cloud) -> Ledger:
    """Ledger of the writes that count toward the limits of a cloud."""
    return Ledger(_folder(cloud))


def _folder(cloud: Cloud) -> Path:
    folder = cloud.state_folder or state_folder()
    return folder / "emulators" / cloud.emulator if cloud.emulator else folder


def carry_out(
    prepared: Prepared,
    cloud: Cloud,
    command: Command,
    *,
    wait: timedelta,
    guard_request: bool,
    progress: Progress,
    tell: Callable[[str], None],
    remark: Callable[[str], None],
) -> Outcome:
    """Make the writes of a prepared command; see :func:`optimizer.workflow.apply_plan`.

    Raises
    ------
    ApplyError
        The preparation is that of another command.
    """
    if prepared.command != command:
        raise ApplyError(f"{prepared.journal_path}: this is a prepared {prepared.command!r}, not {command!r}")
    clock = cloud.clock
    return run.carry_out(
        prepared,
        cloud.service(),
        clock,
        ledger_of(cloud),
        _folder(cloud),
        until=clock.now() + wait if wait else None,
        pace=Pace(poll_seconds=cloud.polling_seconds),
        guard_request=guard_request,
        progress=progress,
        tell=tell,
        remark=remark,
    )
