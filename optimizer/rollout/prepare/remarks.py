"""Remarks before the confirmation of a run: protected vaults, changes elsewhere, and what is left for later."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optimizer.documents import PlanDocument, read_rollback, rollback_path
from optimizer.errors import CloudError
from optimizer.journal import Commands, JournalState
from optimizer.model.arm_id import ArmId
from optimizer.ports import BackupReader
from optimizer.rollout.prepare.freshness import Freshness
from optimizer.rollout.prepare.protections import Protection, read_protection
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.session.closures import Closures
from optimizer.rollout.writes.write import Write, vaults_of


def read_protections(
    writes: Sequence[Write], reader: BackupReader, closures: Closures
) -> tuple[dict[ArmId, Protection], list[str]]:
    """Read the protections of the vaults that are written to.

    Settings that cannot be read do not stop a run: they only show in advance what the service would refuse later.
    Vaults from which the service asked to stay away are not read.

    Parameters
    ----------
    writes
        Writes that are still to be made.
    reader
        The service.
    closures
        Closed vaults.

    Returns
    -------
    tuple
        The protection of each vault by id, and a remark for each vault whose settings cannot be read.
    """
    found: dict[ArmId, Protection] = {}
    remarks: list[str] = []
    for vault_id in vaults_of(writes):
        name = vault_id.name
        if closures.of(vault_id):
            found[vault_id] = Protection()
            continue
        try:
            found[vault_id] = read_protection(reader.vault_settings(vault_id))
        except CloudError as exc:
            found[vault_id] = Protection()
            if closures.heed(vault_id, exc):
                continue
            remarks.append(
                f"the settings of vault {name} cannot be read, so a read-only lock or a Resource Guard on it is not "
                f"known: {exc}"
            )
            continue
        remarks += found[vault_id].remarks(name)
    return found, remarks


def closed_vaults(writes: Sequence[Write], closures: Closures) -> list[str]:
    """Report vaults from which the service asked to stay away for a while.

    Parameters
    ----------
    writes
        Writes that are still to be made.
    closures
        Closed vaults.
    """
    found = []
    for vault_id in vaults_of(writes):
        if closed := closures.of(vault_id):
            until = f"{closed.closed_until:%Y-%m-%d %H:%M} UTC"
            name = vault_id.name
            found.append(
                f"vault {name} is closed until {until}, as the service asked, so nothing is sent to it before: "
                f"{closed.reason}"
            )
    return found


def not_taken_back(freshness: Freshness, writes: Sequence[Write]) -> list[str]:
    """Report objects that somebody else changed: the rollback skips them, and restores the rest.

    Parameters
    ----------
    freshness
        Changes since the estate was read.
    writes
        Writes of the rollback that are still to be made.
    """
    hindered = [write for write in writes if freshness.hinders(write)]
    found = []
    for vault_id, changes in freshness.broken.items():
        count = sum(write.vault_id == vault_id for write in hindered)
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        what = "1 write of the way back is" if count == 1 else f"{count} writes of the way back are"
        left = f"; {what} skipped because of that" if count else ""
        name = vault_id.name
        found.append(f"vault {name} was changed by somebody else: {'; '.join(changes[:3])}{more}{left}")
    return found


def changes_elsewhere(freshness: Freshness) -> list[str]:
    """Report changes in Azure that the plan does not depend on."""
    found = []
    for vault_id, changes in freshness.remarks.items():
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        name = vault_id.name
        found.append(f"vault {name} has changed where the plan does not touch it: {'; '.join(changes[:3])}{more}")
    return found


def unproven_rules(plan: PlanDocument, plan_path: Path) -> list[str]:
    """Report that only the plan itself vouches for its rules.

    Changes are compared with the estate, but budget, RPO, freezes and caps are only in the plan.  The rollback file
    that ``plan`` wrote contains the plan's fingerprint.  Without that file, an edited plan cannot be told from the
    original.
    """
    path = rollback_path(plan_path)
    if path.exists() and read_rollback(path).written_by == "plan":
        return []
    missing = "was written by 'apply'" if path.exists() else "is missing"
    remark = (
        f"the rules of this plan (budget, RPO, freezes, caps) could not be checked: {path.name}, which 'plan' writes "
        f"beside the plan, {missing}. Compare the fingerprint with that of the approved plan: {plan.fingerprint}"
    )
    return [remark]


def outside_of_scope(
    every: Sequence[Write], chosen: Sequence[Write], scope: RunScope, commands: Commands
) -> list[str]:
    """Report how many VMs are left for another run, and the command for that run."""
    moved = {vm for write in chosen for vm in write.vms}
    others = len({vm for write in every for vm in write.vms} - moved)
    if not others or not (scope.only or scope.max_moves is not None):
        return []
    words = ["--only", "vm=*"] if scope.only else []
    words += [] if scope.max_moves is None else ["--max-moves", f"{len(moved) + others}"]
    vms = "1 more VM" if others == 1 else f"{others} more VMs"
    return [
        f"the plan moves {vms} that this run leaves out; to move all of them afterwards:\n    {commands.apply(*words)}"
    ]


def looked_at(begun: Sequence[Write], state: JournalState) -> list[str]:
    """Report writes of unknown outcome that an earlier run began and that this run leaves out."""
    names = [write.name for write in begun if write.number in state.unsettled]
    if not names:
        return []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    its = "its outcome is" if len(names) == 1 else "their outcomes are"
    remark = (
        f"an earlier run began to write {', '.join(names[:3])}{more}, and {its} not known yet: this run only looks, "
        f"and counts {'it' if len(names) == 1 else 'each of them'} as possibly made"
    )
    return [remark]


def left_for_later(
    every: Sequence[Write], chosen: Sequence[Write], only: Sequence[object], commands: Commands
) -> list[str]:
    """Report how many VMs a partial rollback leaves at their new times."""
    others = len({vm for write in every for vm in write.vms} - {vm for w in chosen for vm in w.vms})
    if not others or not only:
        return []
    vms = "1 more VM stays" if others == 1 else f"{others} more VMs stay"
    back = commands.rollback("--only", "vm=*", resume=True)
    return [f"{vms} at the new time; to move {'it' if others == 1 else 'them'} back later:\n    {back}"]
