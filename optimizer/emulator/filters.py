"""The little of OData filters and pages that these endpoints use."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from optimizer.emulator.refusal import Refusal

T = TypeVar("T")

_TERM = re.compile(r"\s*([\w/]+)\s+eq\s+'((?:[^']|'')*)'\s*(and\b|$)", re.IGNORECASE)


def parse_filter(text: str | None) -> Mapping[str, str]:
    """Terms ``name eq 'value' and ...`` by name in lower case.

    Raises
    ------
    Refusal
        400: it has another form.
    """
    terms: dict[str, str] = {}
    position = 0
    text = text or ""
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None:
            raise Refusal(400, "BMSUserErrorInvalidInput", f"The filter is not valid: {text}")
        terms[match[1].lower()] = match[2].replace("''", "'")
        position = match.end()
    return terms


def same(value: object, wanted: str | None) -> bool:
    """Whether a value is the wanted one, or any is."""
    return wanted is None or str(value or "").lower() == wanted.lower()


def page(rows: Sequence[T], token: str | None, size: int) -> tuple[Sequence[T], str | None]:
    """Rows of a page, and the token of the next one; None after the last.

    Raises
    ------
    Refusal
        400: the token is none that was given.
    """
    try:
        first = int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError as exc:
        raise Refusal(400, "BadRequest", "The skip token is not valid.") from exc
    last = first + size
    following = base64.urlsafe_b64encode(str(last).encode()).decode() if last < len(rows) else None
    return rows[first:last], following
