"""VMs that a run found at their new start because somebody else had moved them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from optimizer.journal import read_journal, state_of
from optimizer.rollout.stages import Write


def found_vms(writes: Sequence[Write], journal: Path) -> dict[str, datetime]:
    """When a run first saw each VM that somebody else had moved to its new start.

    A rollback leaves these VMs where they are, so they also appear after one.

    Parameters
    ----------
    writes
        All writes of the plan.  The journal identifies what was found only by the number of the write.
    journal
        Journal of the plan's ``apply``.

    Returns
    -------
    dict
        Time at which each VM was first seen, by ``vm_id.lower()``.

    Raises
    ------
    JournalError
        The journal cannot be read.
    """
    state = state_of(read_journal(journal))
    reassigned = {vm.lower() for write in writes if write.kind == "reassign_item" for vm in write.vms}
    return {
        vm.lower(): state.done[write.number].at
        for write in writes
        if write.number in state.found
        for vm in write.vms
        # A VM that leaves an edited policy moves by its own write, not by the edit.
        if write.kind == "reassign_item" or vm.lower() not in reassigned
    }
