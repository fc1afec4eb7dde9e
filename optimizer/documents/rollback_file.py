"""``plan.rollback.json``: the state before a plan, kept next to it so that a rollback does not need the estate."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from optimizer.documents.plan_document import Change, CreatePolicy, PlanDocument, ReassignItem
from optimizer.errors import PlanFormatError
from optimizer.estate import EstateDocument
from optimizer.files import save_file
from optimizer.model.arm_id import ArmId
from optimizer.model.faults import describe_faults
from optimizer.model.raw import canonical_json, id_of
from optimizer.model.strict import StrictModel

ROLLBACK_SCHEMA_VERSION: Literal[1] = 1


class PriorState(StrictModel):
    """One object that a plan changes.

    Parameters
    ----------
    kind
        What the plan does.
    object_id
        ARM id of the policy or item.
    before
        The object in the estate, whole; None where the plan creates it.
    change
        What is sent: properties of a policy, ``policyId`` of an item.
    """

    kind: Literal["create_policy", "edit_policy", "reassign_item"]
    object_id: ArmId
    before: dict[str, Any] | None
    change: dict[str, Any]


class RollbackDocument(StrictModel):
    """State before a plan's changes, from which they can be undone, even by hand.

    Parameters
    ----------
    plan_fingerprint
        Of the plan.
    created_at
        When the plan was made.
    objects
        In the order of the plan's changes; undone from the last to the first.
    estate
        The vaults, policies, items and VMs of the estate, without its load and jobs. None in files of older versions.
    written_by
        ``apply`` writes the file where that of ``plan`` is missing. It is then made from the plan, and so proves
        nothing about the plan.
    """

    schema_version: Literal[1] = ROLLBACK_SCHEMA_VERSION
    plan_fingerprint: str
    created_at: datetime
    objects: tuple[PriorState, ...]
    estate: Annotated[EstateDocument | None, Field(exclude_if=lambda estate: estate is None)] = None
    written_by: Annotated[Literal["plan", "apply"], Field(exclude_if=lambda command: command == "plan")] = "plan"


def rollback_path(plan_path: Path) -> Path:
    """Path of the rollback file of a plan, which is next to the plan: ``plan.json`` -> ``plan.rollback.json``."""
    return plan_path.with_name(f"{plan_path.name.removesuffix('.json')}.rollback.json")


def prior_states(plan: PlanDocument, document: EstateDocument) -> RollbackDocument:
    """State in the estate of every object that a plan changes.

    Raises
    ------
    PlanFormatError
        A change names an object that the estate does not contain.
    """
    resources = {id_of(resource): resource for resource in (*document.policies, *document.protected_items)}
    return RollbackDocument(
        plan_fingerprint=plan.fingerprint,
        created_at=plan.created_at,
        objects=tuple(_prior_state(change, resources) for change in plan.changes),
        estate=objects_of(document),
    )


def objects_of(document: EstateDocument) -> EstateDocument:
    """Part of an estate that a roll-out and its rollback are checked against: all except load, jobs and settings."""
    return EstateDocument(
        created_at=document.as_of,
        as_of=document.as_of,
        source=document.source,
        vaults=document.vaults,
        policies=document.policies,
        protected_items=document.protected_items,
        vms=document.vms,
        missing_vms=document.missing_vms,
        services=document.services,
    )


def _prior_state(change: Change, resources: dict[ArmId, dict[str, Any]]) -> PriorState:
    if isinstance(change, ReassignItem):
        object_id, sent = change.item_id, {"policyId": str(change.policy_id)}
    else:
        object_id, sent = change.policy_id, change.properties
    before = resources.get(object_id)
    if (before is None) != isinstance(change, CreatePolicy):
        fault = "is not in the estate" if before is None else "is to be created, but it is in the estate"
        raise PlanFormatError(f"{object_id} {fault}: the plan was made for another one; make it again")
    return PriorState(kind=change.kind, object_id=object_id, before=before, change=sent)


def write_rollback(
    plan: PlanDocument, document: EstateDocument, path: Path, *, written_by: Literal["plan", "apply"] = "plan"
) -> None:
    """Write the rollback file of a plan; an older file is replaced as a whole or not at all.

    Parameters
    ----------
    plan, document
        The plan and its estate.
    path
        Path of the file; see :func:`rollback_path`.
    written_by
        Command that writes the file.

    Raises
    ------
    PlanFormatError
        The plan was made for another estate.
    EstateError
        The file cannot be written.
    """
    found = prior_states(plan, document).model_copy(update={"written_by": written_by})
    content = json.dumps(found.model_dump(mode="json", exclude={"estate"}), ensure_ascii=False, indent=1)
    assert found.estate is not None
    text = f'{content.removesuffix("}").rstrip()},\n "estate": {found.estate.to_json()}}}\n'
    save_file(path, text.encode())


def read_rollback(path: Path) -> RollbackDocument:
    """Read the rollback file of a plan.

    Raises
    ------
    PlanFormatError
        The file is missing, or is not a rollback file.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise PlanFormatError(
            f"{path}: the rollback file cannot be read ({exc.strerror}); 'backup-optimizer plan' writes it beside "
            "the plan"
        ) from exc
    try:
        return RollbackDocument.model_validate_json(content)
    except ValidationError as exc:
        raise PlanFormatError(
            f"{path}: not a rollback file: {describe_faults(exc, content)}; restore the file that 'plan' "
            "wrote beside the plan"
        ) from exc


def check_rollback(back: RollbackDocument, plan: PlanDocument, document: EstateDocument, path: Path) -> None:
    """Refuse a rollback file that does not match a plan and its estate exactly.

    Parameters
    ----------
    back, path
        Content and path of the file.
    plan, document
        The plan and its estate.

    Raises
    ------
    PlanFormatError
        The file belongs to another plan, or was edited.
    """
    require_of_plan(back, plan, path)
    expected = prior_states(plan, document)
    if len(back.objects) != len(expected.objects):
        raise PlanFormatError(
            f"{path}: lists {len(back.objects)} objects, but the plan changes {len(expected.objects)}; {_RESTORE}"
        )
    for number, (found, wanted) in enumerate(zip(back.objects, expected.objects, strict=True), start=1):
        ours, theirs = wanted.model_dump(mode="json"), found.model_dump(mode="json")
        for field, value in ours.items():
            if canonical_json(theirs[field]) != canonical_json(value):
                raise PlanFormatError(
                    f"{path}: object {number} ({wanted.object_id}): {field!r} is not what the plan and its estate "
                    f"say; {_RESTORE}"
                )
    assert expected.estate is not None
    if back.estate is not None and back.estate.fingerprint() != expected.estate.fingerprint():
        raise PlanFormatError(f"{path}: 'estate' is not the estate of the plan; {_RESTORE}")


def require_of_plan(back: RollbackDocument, plan: PlanDocument, path: Path) -> None:
    """Refuse the rollback file of another plan.

    Raises
    ------
    PlanFormatError
        The file belongs to another plan.
    """
    if back.plan_fingerprint != plan.fingerprint:
        raise PlanFormatError(
            f"{path}: belongs to the plan with fingerprint {back.plan_fingerprint}, but the plan beside it has "
            f"{plan.fingerprint}: one of the two was edited or replaced; {_RESTORE}"
        )


_RESTORE = "restore the plan and the rollback file as 'plan' wrote them, or make a new plan"
