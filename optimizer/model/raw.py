"""Fields of raw JSON objects, read without trust: a value of the wrong type counts as absent.

Azure's answers and files of users may hold ``null``, or something else, in any place.  One such value must never stop
the work on everything else, so whoever reads raw resources reads them through these functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MALFORMED = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code raises that meets a value of the wrong type in a raw object."""

DEEPEST = 100
"""Levels of nesting that are read.  Real resources have about ten."""


def mapping(value: object) -> Mapping[str, Any]:
    """The value where it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> list[Any]:
    """The value where it is a JSON array, else an empty one."""
    return list(value) if isinstance(value, (list, tuple)) else []


def objects(value: object) -> list[Mapping[str, Any]]:
    """JSON objects of an array; its other elements are left out."""
    return [part for part in sequence(value) if isinstance(part, Mapping)]


def text(value: object) -> str:
    """The value where it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def properties_of(resource: object) -> Mapping[str, Any]:
    """``properties`` of a resource; empty where there are none."""
    return mapping(mapping(resource).get("properties"))


def id_of(resource: object) -> str:
    """``id`` of a resource; empty where there is none."""
    return text(mapping(resource).get("id"))


def too_deep(value: object, deepest: int = DEEPEST) -> bool:
    """Whether a JSON value is nested deeper than a number of levels.

    It looks level by level, so that no depth can exhaust the stack.
    """
    level = [value]
    for _ in range(deepest):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, (Mapping, list, tuple))]
        if not level:
            return False
    return True


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()
