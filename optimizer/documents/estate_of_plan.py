"""Estate of a plan, from its folder or, if that is gone or has changed, from the rollback file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from optimizer.arm import policy_of, source_vm
from optimizer.documents.plan_document import EditPolicy, PlanDocument
from optimizer.documents.plan_file import open_estate_of, open_named
from optimizer.documents.rollback_file import RollbackDocument, read_rollback, require_of_plan, rollback_path
from optimizer.errors import EstateError, PlanFormatError, StalePlanError
from optimizer.estate import EstateDocument, open_estate
from optimizer.files import Location
from optimizer.model.arm_id import ArmId
from optimizer.model.raw import id_of, properties_of
from optimizer.ports import BackupReader, Resource


def known_estate(
    plan: PlanDocument,
    plan_path: Path,
    estate_path: str | Location | None = None,
    *,
    reader: BackupReader | None = None,
    remark: Callable[[str], None] = lambda _: None,
) -> EstateDocument:
    """Vaults, policies, items and VMs of a plan's estate.

    ``pull --append`` changes an estate, and folders get lost, but the objects that a plan has changed must still be
    found and rolled back. So if the estate is no longer as it was, the rollback file is used, which ``plan`` writes
    next to the plan. This also applies if the user named the estate, because commands that were printed or noted
    earlier name it too.

    Parameters
    ----------
    plan, plan_path
        The plan and its path.
    estate_path
        Location of the estate. By default, the location that the plan states.
    reader
        Client that reads the service. It supplies what a rollback file of an older version lacks if the estate is
        gone.
    remark
        Called with a message if the rollback file is used instead of an estate that the user named.

    Raises
    ------
    EstateError, StalePlanError
        The estate is gone or has changed, and no rollback file can replace it.
    PlanFormatError
        The rollback file belongs to another plan, or was edited.
    CloudError
        The service is needed and cannot be read.
    """
    try:
        return open_estate_of(plan, plan_path, estate_path).document
    except (EstateError, StalePlanError) as exc:
        path = rollback_path(plan_path)
        if not path.exists():
            raise type(exc)(f"{exc}; or restore {path}, which takes the place of a lost or changed estate") from exc
        back = read_rollback(path)
        require_of_plan(back, plan, path)
        if back.estate is not None:
            kept = _kept(back.estate, plan, path)
            if estate_path is not None:
                remark(f"{path} takes the place of --estate {estate_path}: {exc}")
            return kept
        if plan.estate.objects is not None:
            raise PlanFormatError(
                f"{path}: 'estate' is missing; restore the rollback file as 'plan' wrote it beside the plan"
            ) from exc
        if isinstance(exc, StalePlanError):  # a rollback file of an older version, and an estate that was pulled again
            shown = open_named(plan, plan_path) if estate_path is None else open_estate(estate_path)
            return _as_it_was(shown.document, back, plan)
        if reader is None:
            raise
        return _as_it_was(_shown(plan, reader, exc), back, plan)


def _kept(document: EstateDocument, plan: PlanDocument, path: Path) -> EstateDocument:
    if document.fingerprint() != plan.estate.objects:
        raise PlanFormatError(
            f"{path}: 'estate' was edited: the plan knows it by {plan.estate.objects}, but its content has "
            f"{document.fingerprint()}; restore the rollback file as 'plan' wrote it beside the plan"
        )
    return document


def _shown(plan: PlanDocument, reader: BackupReader, lost: EstateError) -> EstateDocument:
    """Vaults that a plan writes to, as shown by the service and the plan's schedule.

    Raises
    ------
    EstateError
        A rule of the plan selects VMs by a property that neither of them shows.
    """
    _require_no_unknown_property(plan, lost)
    vault_ids = list(dict.fromkeys(change.vault_id for change in plan.changes))
    return EstateDocument(
        created_at=plan.estate.as_of,
        as_of=plan.estate.as_of,
        source="azure",
        vaults=tuple({"id": str(vault_id), "name": vault_id.name} for vault_id in vault_ids),
        policies=tuple(policy for vault_id in vault_ids for policy in reader.list_policies(vault_id)),
        protected_items=tuple(item for vault_id in vault_ids for item in reader.list_items(vault_id)),
        vms=tuple({"id": str(entry.vm), "name": entry.vm.name} for entry in plan.schedule),
        services={entry.vm: entry.service for entry in plan.schedule},
    )


def _require_no_unknown_property(plan: PlanDocument, lost: EstateError) -> None:
    """Refuse rules that select VMs by a tag or an operating system, which only the lost estate shows."""
    for rule in plan.rules.rule:
        if unknown := _selects_by(rule.model_dump(mode="json")) & {"tag", "os"}:
            raise EstateError(
                f"{lost}. Without the estate, nothing is known about the {' and '.join(sorted(unknown))} of a VM, by "
                f"which rule {rule.name!r} selects"
            ) from lost


def _selects_by(value: object) -> set[str]:
    """Names of all fields that have a value, at any depth of a rule."""
    if isinstance(value, dict):
        return {key for key, inner in value.items() if inner}.union(*map(_selects_by, value.values()))
    return set().union(*map(_selects_by, value)) if isinstance(value, list) else set()


def _as_it_was(document: EstateDocument, back: RollbackDocument, plan: PlanDocument) -> EstateDocument:
    """A later state of the estate, with every object that the plan changes as it was before the plan.

    VMs that have been added to an edited policy since are left out; the comparison with Azure finds and reports them.
    """
    before = {changed.object_id: changed.before for changed in back.objects}
    known = {entry.vm for entry in plan.schedule}
    edited = {change.policy_id for change in plan.changes if isinstance(change, EditPolicy)}

    def is_newcomer(item: Resource) -> bool:
        properties = properties_of(item)
        return policy_of(properties) in edited and source_vm(properties) not in known

    def restored(resources: tuple[Resource, ...], collection: str) -> tuple[Resource, ...]:
        current = {id_of(resource): resource for resource in resources if not is_newcomer(resource)}
        ours = {key: state for key, state in before.items() if key.above(collection)}
        merged: dict[ArmId, Resource | None] = {**current, **ours}
        return tuple(resource for resource in merged.values() if resource is not None)

    return document.model_copy(
        update={
            "policies": restored(document.policies, "backupPolicies"),
            "protected_items": restored(document.protected_items, "protectedItems"),
        }
    )
