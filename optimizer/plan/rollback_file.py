"""``plan.rollback.json``: what every object that a plan changes was before, as it came; written with the plan."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from optimizer.estate.atomic import translate_write_errors, write_bytes
from optimizer.estate.document import EstateDocument
from optimizer.model.raw import id_of
from optimizer.model.strict import StrictModel
from optimizer.plan.document import Change, CreatePolicy, PlanDocument, ReassignItem
from optimizer.plan.errors import PlanFormatError

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
    object_id: str
    before: dict[str, Any] | None
    change: dict[str, Any]


class RollbackDocument(StrictModel):
    """What a plan's changes can be undone from, even by hand.

    Parameters
    ----------
    plan_fingerprint
        Of the plan.
    created_at
        When the plan was made.
    objects
        In the order of the plan's changes; undone from the last to the first.
    """

    schema_version: Literal[1] = ROLLBACK_SCHEMA_VERSION
    plan_fingerprint: str
    created_at: datetime
    objects: tuple[PriorState, ...]


def rollback_path(plan_path: Path) -> Path:
    """Where the file of a plan lies: beside it, ``plan.json`` -> ``plan.rollback.json``."""
    return plan_path.with_name(f"{plan_path.name.removesuffix('.json')}.rollback.json")


def prior_states(plan: PlanDocument, document: EstateDocument) -> RollbackDocument:
    """What every object that a plan changes is in its estate.

    Raises
    ------
    PlanFormatError
        A change names an object that the estate does not have.
    """
    resources = {id_of(resource).lower(): resource for resource in (*document.policies, *document.protected_items)}
    return RollbackDocument(
        plan_fingerprint=plan.fingerprint,
        created_at=plan.created_at,
        objects=tuple(_prior_state(change, resources) for change in plan.changes),
    )


def _prior_state(change: Change, resources: dict[str, dict[str, Any]]) -> PriorState:
    if isinstance(change, ReassignItem):
        object_id, sent = change.item_id, {"policyId": change.policy_id}
    else:
        object_id, sent = change.policy_id, change.properties
    before = resources.get(object_id.lower())
    if (before is None) != isinstance(change, CreatePolicy):
        fault = "is not in the estate" if before is None else "is to be created, but it is in the estate"
        raise PlanFormatError(f"{object_id} {fault}: the plan was made for another one; make it again")
    return PriorState(kind=change.kind, object_id=object_id, before=before, change=sent)


def write_rollback(plan: PlanDocument, document: EstateDocument, path: Path) -> None:
    """Write the file of a plan; an older one is replaced whole or not at all.

    Parameters
    ----------
    plan, document
        The plan and its estate.
    path
        See :func:`rollback_path`.

    Raises
    ------
    PlanFormatError
        The plan was made for another estate.
    EstateError
        The file cannot be written.
    """
    content = prior_states(plan, document).model_dump(mode="json")
    with translate_write_errors(path):
        write_bytes(path, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())


def read_rollback(path: Path) -> RollbackDocument:
    """Read the file of a plan.

    Raises
    ------
    PlanFormatError
        It is missing, or is no such file.
    """
    try:
        return RollbackDocument.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise PlanFormatError(
            f"{path}: the rollback file cannot be read ({exc.strerror}); 'backup-optimizer plan' writes it beside "
            "the plan"
        ) from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise PlanFormatError(
            f"{path}: not a rollback file: {place}: {first['msg']}; make the plan again, which writes it anew"
        ) from exc
