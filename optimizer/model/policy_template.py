"""Template for the names of new policies: ``name = "{twin}-{time}"`` under ``[policies]`` in the rules."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

PLACEHOLDERS = {
    "twin": "name of the policy that the new one is a twin of, without the time in it",
    "time": "start of the new policy, such as 0800",
    "hour": "hour of the start, such as 08",
    "minute": "minute of the start, 00 or 30",
    "frequency": "daily, weekly or hourly",
}
"""Placeholders of a template, with what takes their place."""

_LONGEST_TEXT = 100
"""Maximum number of characters beside the placeholders, so that names fit into Azure's 150."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _template(value: object) -> object:
    """Check a template for names.

    Raises
    ------
    ValueError
        Azure would not accept the names that it gives, or they would not differ by their time.
    """
    if not isinstance(value, str):
        return value
    allowed = "allowed: " + ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    used = _PLACEHOLDER.findall(value)
    for name in used:
        if name not in PLACEHOLDERS:
            raise ValueError(f"{value!r} has the placeholder {{{name}}}, which does not exist; {allowed}")
    text = _PLACEHOLDER.sub("", value)
    if unknown := re.search(r"[^-_!a-zA-Z0-9]", text):
        raise ValueError(
            f"{value!r} contains {unknown[0]!r}; allowed in the name of a policy are letters from a to z, digits, "
            f"'-', '_' and '!', and placeholders in braces ({allowed})"
        )
    if "time" not in used and not {"hour", "minute"} <= set(used):
        raise ValueError(
            f"{value!r} does not state the time, so that names would differ by a number only; add {{time}}, or "
            '{hour} and {minute}, as in "{twin}-{time}"'
        )
    if not re.match(r"[a-zA-Z]|\{twin\}|\{frequency\}", value):
        raise ValueError(
            f"{value!r} does not begin with a letter, as Azure requires; begin it with a letter, {{twin}} or "
            "{frequency}"
        )
    if len(text) > _LONGEST_TEXT:
        raise ValueError(
            f"{value!r} has {len(text)} characters beside its placeholders; allowed: {_LONGEST_TEXT}, because Azure "
            "accepts 150 in a name"
        )
    return value


NameTemplate = Annotated[str, BeforeValidator(_template)]
