"""Watch of VMs that a journal moved, and of VMs that somebody else had already moved to their new start."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from optimizer.documents import WatchReport
from optimizer.journal import read_journal, state_of
from optimizer.model.arm_id import ArmId
from optimizer.ports import BackupReader, Clock
from optimizer.rollout.prepare.earlier_runs import moved_vms
from optimizer.rollout.prepare.plan_case import PlanCase
from optimizer.rollout.watch.watch import Moved, watch
from optimizer.rollout.writes.planned import writes_of
from optimizer.rollout.writes.write import Write


def found_vms(writes: Sequence[Write], journal: Path) -> dict[ArmId, datetime]:
    """When a run first saw each VM that somebody else had moved to its new start.

    A rollback leaves these VMs where they are, so they also appear after one.

    Parameters
    ----------
    writes
        All writes of the plan. The journal identifies what was found only by the number of the write.
    journal
        Journal of the plan's ``apply``.

    Returns
    -------
    dict
        Time at which each VM was first seen, by VM id.

    Raises
    ------
    JournalError
        The journal cannot be read.
    """
    state = state_of(read_journal(journal))
    reassigned = {vm for write in writes if write.kind == "reassign_item" for vm in write.vms}
    return {
        vm: state.done[write.number].at
        for write in writes
        if write.number in state.found
        for vm in write.vms
        # A VM that leaves an edited policy moves by its own write, not by the edit.
        if write.kind == "reassign_item" or vm not in reassigned
    }


def watch_journal(
    case: PlanCase,
    journal: Path,
    reader: BackupReader,
    clock: Clock,
    *,
    deep: bool = False,
) -> WatchReport:
    """Check every VM that a journal moved, or found, at its new start.

    Parameters
    ----------
    case
        The plan and its estate.
    journal
        Journal of the plan's ``apply``.
    reader, clock
        The service and the clock.
    deep
        Whether to read the protected item of every VM, instead of only those with a finding.

    Raises
    ------
    JournalError
        The journal cannot be read, or belongs to another plan.
    ClockError
        The clocks of this machine and the service differ.
    CloudError
        The service cannot be read.
    """
    moved = moved_vms(case.plan, journal)
    inventory = case.document.inventory(case.plan.rules.service_from)
    others = found_vms(writes_of(case.plan, case.document, inventory), journal)
    vms = Moved({**others, **moved}, found=others.keys() - moved.keys())
    return watch(case.plan, inventory, vms, reader, clock, deep=deep)
