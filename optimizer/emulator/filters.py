"""The small part of OData filters and paging that the emulated endpoints use."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from optimizer.emulator.refusal import Refusal
from optimizer.model.caseless import Caseless

T = TypeVar("T")

_TERM = re.compile(r"\s*([\w/]+)\s+eq\s+'((?:[^']|'')*)'\s*(and\b|$)", re.IGNORECASE)


def parse_filter(text: str | None) -> Mapping[str, str]:
    """Parse ``name eq 'value' and ...`` to values by name in lower case.

    Raises
    ------
    Refusal
        400: the filter has another form.
    """
    terms: dict[str, str] = {}
    position = 0
    text = text or ""
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None:
            raise Refusal(400, "BMSUserErrorInvalidInput", f"The filter is not valid: {text}")
        terms[Caseless(match[1]).key] = match[2].replace("''", "'")
        position = match.end()
    return terms


def same(value: object, wanted: str | None) -> bool:
    """Whether a value equals the wanted one, ignoring case; None accepts every value."""
    return wanted is None or Caseless(str(value or "")) == wanted


def page(rows: Sequence[T], token: str | None, size: int) -> tuple[Sequence[T], str | None]:
    """Rows of a page, and the token of the next page; None after the last page.

    Raises
    ------
    Refusal
        400: the token is not valid.
    """
    try:
        first = int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError as exc:
        raise Refusal(400, "BadRequest", "The skip token is not valid.") from exc
    last = first + size
    following = base64.urlsafe_b64encode(str(last).encode()).decode() if last < len(rows) else None
    return rows[first:last], following
