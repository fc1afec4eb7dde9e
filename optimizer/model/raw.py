"""Reads fields of raw JSON objects defensively: a value of the wrong type counts as absent.

Azure's answers and users' files may contain ``null`` or an unexpected value anywhere. One such value must never stop
the work on everything else, so all code that reads raw resources uses these functions.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any, TypeGuard

from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless

MALFORMED = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Exceptions that code may raise when a raw object contains a value of the wrong type."""

DEEPEST = 64
"""Maximum nesting depth of a resource, in levels. Azure's own answers have fewer than 20."""

_FILE_LEVELS = 8
"""Levels around the resources in a file of this program or in an answer of the service."""


def parse_json(content: str | bytes) -> Any:
    """Parse JSON text.

    Raises
    ------
    ValueError
        The text is not JSON, or is nested so deeply that reading it could exhaust the stack.
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


def canonical_json(value: object) -> bytes:
    """Unique spelling of a JSON value, for hashing: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def parse_toml(content: str) -> dict[str, Any]:
    """Parse TOML text.

    Raises
    ------
    ValueError
        The text is not TOML, or is nested too deeply.
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
    """The error itself, or a clearer one if Python's message is about an interpreter setting."""
    return ValueError(TOO_LONG) if "int_max_str_digits" in str(error) else error


TOO_LONG = "it holds a number of thousands of digits"

_TOO_DEEP = "it is nested too deeply"


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a JSON object, otherwise an empty mapping."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> list[Any]:
    """The value as a list if it is a JSON array, otherwise an empty list."""
    return list(value) if isinstance(value, (list, tuple)) else []


def objects(value: object) -> list[Mapping[str, Any]]:
    """JSON objects in an array; other elements are skipped."""
    return [part for part in sequence(value) if isinstance(part, Mapping)]


def text(value: object) -> str:
    """The value if it is a string, otherwise an empty string."""
    return value if isinstance(value, str) else ""


def is_whole_number(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number; in Python, True and False are also of type int."""
    return isinstance(value, int) and not isinstance(value, bool)


def properties_of(resource: object) -> Mapping[str, Any]:
    """``properties`` of a resource; empty if it has none."""
    return mapping(mapping(resource).get("properties"))


def word(value: object) -> Caseless:
    """The value, compared without case, if it is a string; otherwise empty. For states, kinds and names."""
    return Caseless(text(value))


def arm_id(value: object) -> ArmId:
    """The value as an id if it is a string, otherwise empty."""
    return ArmId(text(value))


def id_of(resource: object) -> ArmId:
    """``id`` of a resource; empty if it has none."""
    return arm_id(mapping(resource).get("id"))


def too_deep(value: object, deepest: int = DEEPEST) -> bool:
    """Whether a JSON value is nested more deeply than a number of levels.

    The check proceeds level by level instead of recursively, so that no depth can exhaust the stack.
    """
    level: list[Any] = [value]
    for _ in range(deepest):
        inside = [outer.values() if isinstance(outer, dict) else outer for outer in level if isinstance(outer, _OUTER)]
        level = [inner for values in inside for inner in values if isinstance(inner, _OUTER)]
        if not level:
            return False
    return True


_OUTER = (dict, list, tuple)
