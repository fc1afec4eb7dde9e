"""``plan.json`` on disk, and the link from a plan to its estate."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from optimizer.documents.fingerprint import AGAIN, fingerprint_of, fingerprint_of_content
from optimizer.documents.plan_document import PLAN_SCHEMA_VERSION, PlanDocument
from optimizer.documents.versions import read_version_1
from optimizer.errors import EstateError, PlanFormatError, StalePlanError
from optimizer.estate import Estate, open_estate
from optimizer.files import Location, RemotePath, is_url, save_file
from optimizer.model.arm_id import ArmId
from optimizer.model.faults import describe_faults
from optimizer.model.phrases import count_vms, some_of
from optimizer.model.timegrid import format_start

_SHOWN = 3
"""Maximum number of VMs per kind that a message lists."""


def write_plan(plan: PlanDocument, path: str | Path) -> None:
    """Write a plan; an older file at the path is replaced as a whole or not at all.

    Raises
    ------
    EstateError
        The file cannot be written.
    """
    path = Path(path)
    save_file(path, (plan.model_dump_json(indent=1) + "\n").encode())


def read_plan(path: str | Path) -> PlanDocument:
    """Read a plan.

    Raises
    ------
    PlanFormatError
        The file is missing, is not a plan, has an unknown version, or was edited.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise PlanFormatError(
            f"{path}: the plan cannot be read ({exc.strerror}); give the plan.json that 'backup-optimizer plan' wrote"
        ) from exc
    try:
        return _read(path, content)
    except ValidationError as exc:
        raw = _json_object(content)
        version = None if raw is None else raw.get("schema_version")
        if isinstance(version, int) and version not in (1, PLAN_SCHEMA_VERSION):
            raise PlanFormatError(
                f"{path}: schema version {version}, this program reads versions up to {PLAN_SCHEMA_VERSION}; "
                "make the plan again, or use the program that made it"
            ) from exc
        raise PlanFormatError(
            f"{path}: not a plan: {describe_faults(exc, raw)}; give the plan.json that 'backup-optimizer plan' wrote, "
            "unchanged"
        ) from exc


def _read(path: Path, content: bytes) -> PlanDocument:
    """Parse a plan of any version, and compute the fingerprint of its content."""
    raw = _json_object(content)
    if raw is not None and raw.get("schema_version") == 1:
        _require_unedited(path, raw.get("fingerprint"), fingerprint_of_content(raw))
        try:
            return read_version_1(raw)
        except (TypeError, ValueError) as exc:
            if isinstance(exc, ValidationError):
                raise
            raise PlanFormatError(
                f"{path}: not a plan: its schema version is 1, but it does not have the parts of that version; give "
                "the plan.json that 'backup-optimizer plan' wrote, unchanged"
            ) from exc
    plan = PlanDocument.model_validate_json(content)
    _require_unedited(path, plan.fingerprint, fingerprint_of(plan))
    return plan


def _require_unedited(path: Path, stated: object, found: str) -> None:
    if found != stated:
        raise PlanFormatError(
            f"{path}: the plan was edited: its fingerprint says {stated}, but that of its content is {found}; {AGAIN}"
        )


def _json_object(content: bytes) -> dict[str, Any] | None:
    """The JSON object in a file; None if the file contains something else."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def relative_to_plan(estate: Location, plan_path: Path) -> str:
    """Location of an estate relative to the plan's folder, with forward slashes; absolute if no relative path exists.

    A URL stays as it is, except that a password is removed.
    """
    if isinstance(estate, RemotePath):
        return str(estate)
    try:
        way = os.path.relpath(estate.resolve(), plan_path.resolve().parent)
    except ValueError:  # on another drive
        way = str(estate.resolve())
    return Path(way).as_posix()


def open_estate_of(plan: PlanDocument, plan_path: str | Path, estate_path: str | Location | None = None) -> Estate:
    """Open the estate of a plan and check that it is the same.

    Parameters
    ----------
    plan
        The plan.
    plan_path
        Path of the plan, to whose folder the location of the estate is relative.
    estate_path
        Location of the estate instead of the one in the plan: a folder or a URL.

    Raises
    ------
    EstateError
        The location contains no estate.
    StalePlanError
        The location contains another estate, or the estate has changed.
    """
    estate = open_estate(estate_path) if estate_path is not None else open_named(plan, Path(plan_path))
    if estate.fingerprint != plan.estate.fingerprint:
        raise StalePlanError(
            f"{plan_path}: the plan is stale: {estate.path} is not the estate that it was made for, or has changed\n"
            f"  the plan's estate: {plan.estate.as_of:%Y-%m-%d %H:%M} UTC, {_short(plan.estate.fingerprint)}\n"
            f"  this estate: {estate.as_of:%Y-%m-%d %H:%M} UTC, {_short(estate.fingerprint)}\n"
            f"  {_differences(plan, estate)}\n"
            "make the plan again, or give its own estate with --estate"
        )
    return estate


def open_named(plan: PlanDocument, plan_path: Path) -> Estate:
    """Open the estate at the location that a plan names, whether or not it has changed.

    Raises
    ------
    EstateError
        The location contains no estate.
    """
    if is_url(plan.estate.path):
        return open_estate(plan.estate.path)
    try:
        return open_estate(plan_path.parent / plan.estate.path)
    except EstateError as exc:
        raise EstateError(
            f"{plan_path}: the plan says that its estate is {plan.estate.path}, seen from the plan's folder: {exc}; "
            "where it lies elsewhere by now, give its folder with --estate"
        ) from exc


def _differences(plan: PlanDocument, estate: Estate) -> str:
    """Differences between the schedule in the plan and an estate, one line per kind of difference."""
    inventory = estate.inventory(plan.rules.service_from)
    now = {item.vm_id: inventory.policy(item) for item in inventory.items}
    then = {entry.vm: entry for entry in plan.schedule}
    gone = [entry.vm for key, entry in then.items() if key not in now]
    new = [key for key in now if key not in then]
    both = [(entry, now[key]) for key, entry in then.items() if key in now]
    reassigned = [entry.vm for entry, policy in both if policy.name != entry.policy_today]
    moved = [entry.vm for entry, policy in both if format_start(policy.start) != entry.start_today]
    parts = (
        _of_vms(gone, "is gone", "are gone"),
        _of_vms(new, "is new", "are new"),
        _of_vms(reassigned, "has another policy", "have another policy"),
        _of_vms(moved, "starts at another time", "start at another time"),
    )
    return "\n  ".join(filter(None, parts)) or "policies or load history differ"


def _of_vms(names: Sequence[ArmId], one: str, several: str) -> str:
    """Clause about some VMs that differ; empty without VMs."""
    if not names:
        return ""
    shown = some_of([vm_id.name for vm_id in names], _SHOWN)
    return f"{count_vms(names)} {one if len(names) == 1 else several} ({shown})"


def _short(fingerprint: str) -> str:
    """Beginning of a fingerprint, long enough to tell two estates apart."""
    return fingerprint[:19]
