"""ARM ids: their keys, and the objects that contain them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from optimizer.model.caseless import Caseless
from optimizer.model.raw import id_of, properties_of, text

if TYPE_CHECKING:
    from optimizer.ports import Resource


def key(arm_id: object) -> str:
    """Key of an id for comparisons."""
    return Caseless(str(arm_id).rstrip("/")).key


def segment(arm_id: str, name: str) -> str:
    """Value that follows ``name`` in an id; empty if the id has no such part."""
    return next((value for part, value in pairwise(arm_id.split("/")) if Caseless(part) == name), "")


def vault_key(arm_id: str) -> str:
    """Key of the vault that contains (or is) an object; empty if no vault does."""
    parts = key(arm_id).split("/")
    for position in range(len(parts) - 2):
        if parts[position] == "microsoft.recoveryservices" and parts[position + 1] == "vaults":
            return "/".join(parts[: position + 3])
    return ""


def lies_in(arm_id: str, scope: str) -> bool:
    """Whether an object is the scope itself or below it."""
    return key(arm_id) == key(scope) or key(arm_id).startswith(key(scope) + "/")


def container_of(item: Resource) -> str:
    """Name of an item's container as jobs state it, with one prefix less than in the item's id."""
    stated = properties_of(item).get("containerName")
    return text(stated) or segment(id_of(item), "protectionContainers").partition(";")[2]
