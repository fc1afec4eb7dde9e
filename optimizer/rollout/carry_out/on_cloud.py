"""Runs on a cloud: its ledger on this machine, and the writes of what was prepared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from optimizer.errors import ApplyError
from optimizer.ports import BackupCloud, Progress
from optimizer.rollout.carry_out.outcome import RunOutcome
from optimizer.rollout.carry_out.pace import Pace
from optimizer.rollout.carry_out.run import carry_out
from optimizer.rollout.prepare.prepared import Prepared
from optimizer.rollout.prepare.scope import Command
from optimizer.rollout.session.ledger import Ledger, state_folder


def ledger_of(cloud: BackupCloud) -> Ledger:
    """Ledger of the writes that count toward the limits of a cloud."""
    return Ledger(_folder(cloud))


def _folder(cloud: BackupCloud) -> Path:
    folder = cloud.state_folder or state_folder()
    return folder / "emulators" / cloud.emulator if cloud.emulator else folder


def make_writes(
    prepared: Prepared,
    cloud: BackupCloud,
    command: Command,
    *,
    wait: timedelta,
    guard_request: bool,
    progress: Progress,
    tell: Callable[[str], None],
    remark: Callable[[str], None],
) -> RunOutcome:
    """Make the writes of a prepared command that can be made now.

    Parameters
    ----------
    prepared, cloud
        The prepared command, and the cloud to write to.
    command
        Name of the command that is wanted.
    wait
        How long to wait for writes that become possible later.
    guard_request, progress, tell, remark
        See :func:`optimizer.rollout.carry_out.run.carry_out`.

    Raises
    ------
    ApplyError
        The preparation is that of another command.
    BusyError
        Another run is active.
    """
    if prepared.command != command:
        raise ApplyError(f"{prepared.journal_path}: this is a prepared {prepared.command!r}, not {command!r}")
    clock = cloud.clock
    return carry_out(
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
