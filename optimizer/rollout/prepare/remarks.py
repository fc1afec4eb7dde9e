"""Remarks before the confirmation of a run: protected vaults, changes elsewhere, and writes left for later."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.documents import read_rollback, rollback_path
from optimizer.errors import CloudError
from optimizer.journal import Commands, JournalState
from optimizer.model.arm_id import ArmId
from optimizer.rollout.prepare.freshness import Freshness
from optimizer.rollout.prepare.plan_case import PlanCase
from optimizer.rollout.prepare.protections import Protection, read_protection
from optimizer.rollout.prepare.scope import RunScope
from optimizer.rollout.session.session import ReadSession
from optimizer.rollout.writes.listing import count_of, first_few
from optimizer.rollout.writes.write import Write, vaults_of


def read_protections(writes: Sequence[Write], session: ReadSession) -> tuple[dict[ArmId, Protection], list[str]]:
    """Read the protections of the vaults that are written to.

    Settings that cannot be read do not stop a run: they only show in advance what the service would refuse later.
    Vaults from which the service asked to stay away are not read.

    Parameters
    ----------
    writes
        Writes that are still to be made.
    session
        The service, and the closed vaults.

    Returns
    -------
    tuple
        The protection of each vault by id, and the remarks on the vaults.
    """
    protections: dict[ArmId, Protection] = {}
    remarks: list[str] = []
    for vault_id in vaults_of(writes):
        protections[vault_id] = Protection()
        if session.closure(vault_id):
            continue
        try:
            protections[vault_id] = read_protection(session.service.vault_settings(vault_id))
            remarks += protections[vault_id].remarks(vault_id.name)
        except CloudError as exc:
            if not session.heed(vault_id, exc):
                remarks.append(
                    f"the settings of vault {vault_id.name} cannot be read, so a read-only lock or a Resource Guard "
                    f"on it is not known: {exc}"
                )
    return protections, remarks


def closed_vaults(writes: Sequence[Write], session: ReadSession) -> list[str]:
    """Report vaults from which the service asked to stay away for a while.

    Parameters
    ----------
    writes
        Writes that are still to be made.
    session
        The closed vaults.
    """
    remarks = []
    for vault_id in vaults_of(writes):
        if closed := session.closure(vault_id):
            until = f"{closed.closed_until:%Y-%m-%d %H:%M} UTC"
            name = vault_id.name
            remarks.append(
                f"vault {name} is closed until {until}, as the service asked, so nothing is sent to it before: "
                f"{closed.reason}"
            )
    return remarks


def not_rolled_back(freshness: Freshness, writes: Sequence[Write]) -> list[str]:
    """Report objects that somebody else changed: the rollback skips them, and restores the rest.

    Parameters
    ----------
    freshness
        Changes since the estate was read.
    writes
        Writes of the rollback that are still to be made.
    """
    hindered = [write for write in writes if freshness.hinders(write)]
    remarks = []
    for vault_id, changes in freshness.broken.items():
        count = sum(write.vault_id == vault_id for write in hindered)
        what = "1 write of the rollback is" if count == 1 else f"{count} writes of the rollback are"
        left = f"; {what} skipped because of that" if count else ""
        remarks.append(
            f"vault {vault_id.name} was changed by somebody else: {first_few(changes, separator='; ')}{left}"
        )
    return remarks


def changes_elsewhere(freshness: Freshness) -> list[str]:
    """Report changes in Azure that the plan does not depend on."""
    return [
        f"vault {vault_id.name} has changed where the plan does not touch it: {first_few(changes, separator='; ')}"
        for vault_id, changes in freshness.remarks.items()
    ]


def unproven_rules(case: PlanCase) -> list[str]:
    """Report that only the plan itself vouches for its rules.

    Changes are compared with the estate, but budget, RPO, freezes and caps are only in the plan. The rollback file
    that ``plan`` wrote contains the plan's fingerprint. Without that file, an edited plan cannot be told from the
    original.
    """
    path = rollback_path(case.path)
    if path.exists() and read_rollback(path).written_by == "plan":
        return []
    missing = "was written by 'apply'" if path.exists() else "is missing"
    remark = (
        f"the rules of this plan (budget, RPO, freezes, caps) could not be checked: {path.name}, which 'plan' writes "
        f"beside the plan, {missing}. Compare the fingerprint with that of the approved plan: {case.plan.fingerprint}"
    )
    return [remark]


def outside_of_scope(
    every: Sequence[Write], chosen: Sequence[Write], scope: RunScope, commands: Commands
) -> list[str]:
    """Report how many VMs are left for another run, and the command for that run."""
    moved = _vms_of(chosen)
    others = len(_vms_of(every) - moved)
    if not others or not scope.is_part:
        return []
    words = ["--only", "vm=*"] if scope.only else []
    words += [] if scope.max_moves is None else ["--max-moves", f"{len(moved) + others}"]
    vms = count_of(others, "more VM")
    return [
        f"the plan moves {vms} that this run leaves out; to move all of them afterwards:\n    {commands.apply(*words)}"
    ]


def looked_at(begun: Sequence[Write], state: JournalState) -> list[str]:
    """Report writes of unknown outcome that an earlier run began and that this run leaves out."""
    names = [write.name for write in begun if write.number in state.unsettled]
    if not names:
        return []
    its, them = ("its outcome is", "it") if len(names) == 1 else ("their outcomes are", "each of them")
    remark = (
        f"an earlier run began to write {first_few(names)}, and {its} not known yet: this run only looks, and counts "
        f"{them} as possibly made"
    )
    return [remark]


def left_for_later(
    every: Sequence[Write], chosen: Sequence[Write], only: Sequence[object], commands: Commands
) -> list[str]:
    """Report how many VMs a partial rollback leaves at their new times."""
    others = len(_vms_of(every) - _vms_of(chosen))
    if not others or not only:
        return []
    vms, them = ("1 more VM stays", "it") if others == 1 else (f"{others} more VMs stay", "them")
    back = commands.rollback("--only", "vm=*", resume=True)
    return [f"{vms} at the new time; to move {them} back later:\n    {back}"]


def _vms_of(writes: Sequence[Write]) -> set[ArmId]:
    return {vm for write in writes for vm in write.vms}
