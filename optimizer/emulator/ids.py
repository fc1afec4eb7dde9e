"""ARM ids: the key of an object, and what it lies in."""

from __future__ import annotations

from itertools import pairwise


def key(arm_id: object) -> str:
    """What an id is compared by."""
    return str(arm_id).rstrip("/").lower()


def segment(arm_id: str, name: str) -> str:
    """Value that follows ``name`` in an id; empty where there is none."""
    return next((value for part, value in pairwise(arm_id.split("/")) if part.lower() == name.lower()), "")


def vault_key(arm_id: str) -> str:
    """Key of the vault that an object lies in (or is); empty where it lies in none."""
    parts = key(arm_id).split("/")
    for position in range(len(parts) - 2):
        if parts[position] == "microsoft.recoveryservices" and parts[position + 1] == "vaults":
            return "/".join(parts[: position + 3])
    return ""


def lies_in(arm_id: str, scope: str) -> bool:
    """Whether an object is a scope or lies below it."""
    return key(arm_id) == key(scope) or key(arm_id).startswith(key(scope) + "/")
