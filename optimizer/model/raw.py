"""Fields of raw JSON objects, read without trust: a value of the wrong type counts as absent.

Azure's answers and files of users may hold ``null``, or something else, in any place.  One such value must never stop
the work on everything else, so whoever reads raw resources reads them through these functions.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

MALFORMED = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code raises that meets a value of the wrong type in a raw object."""

DEEPEST = 64
"""Levels of nesting in a resource that are read.  Azure's own answers have fewer than 20."""

_FILE_LEVELS = 8
"""Levels around the resources in a file of this program, or in an answer of the service."""


def parse_json(content: str | bytes) -> Any:
    """Value of a JSON text.

    Raises
    ------
    ValueError
        It is not JSON, or it is nested too deeply: reading it could exhaust the stack.
    """
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError as exc:
        raise _in_plain_words(exc) from exc
    if too_deep(value, DEEPEST + _FILE_LEVELS):
        raise ValueError(_TOO_DEEP)
    return value


def parse_toml(content: str) -> dict[str, Any]:
    """Tables of a TOML text.

    Raises
    ------
    ValueError
        It is not TOML, or it is nested too deeply.
    """
    try:
        value = tomllib.loads(content)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError as exc:
        raise _in_plain_words(exc) from exc
    if too_deep(value):
        raise ValueError(_TOO_DEEP)
    return value


def _in_plain_words(error: ValueError) -> ValueError:
    """The error, or one for users where Python speaks of its own settings."""
    return ValueError(TOO_LONG) if "int_max_str_digits" in str(error) else error


TOO_LONG = "it holds a number of thousands of digits"

_TOO_DEEP = "it is nested too deeply"


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
    level: list[Any] = [value]
    for _ in range(deepest):
        inside = [outer.values() if isinstance(outer, dict) else outer for outer in level if isinstance(outer, _OUTER)]
        level = [inner for values in inside for inner in values if isinstance(inner, _OUTER)]
        if not level:
            return False
    return True


_OUTER = (dict, list, tuple)
