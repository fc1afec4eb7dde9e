"""Numbers and names as people read them, for every kind of report."""

from __future__ import annotations

import math
from collections.abc import Iterable

from optimizer.model.arm_id import ArmId

ELLIPSIS = "…"
"""What replaces the middle of a name that is too long."""


def decimal(value: float) -> str:
    """Format a number with as many decimals as matter: 1,234 / 12.3 / 1.23; never ``-0``."""
    size = abs(value)
    digits = 0 if size >= 999.5 else 1 if size >= 9.995 else 2
    return _without_minus_zero(f"{value:,.{digits}f}")


def decimals(values: Iterable[float]) -> list[str]:
    """Format the numbers of a column, all with the decimals that suit the largest, so that they line up."""
    column = list(values)
    top = max(map(abs, column), default=0.0)
    digits = 0 if top >= 9999.5 else 1 if top >= 9.995 else 2
    return [_without_minus_zero(f"{value:,.{digits}f}") for value in column]


def signed(value: float) -> str:
    """Format a difference with its sign."""
    text = decimal(value)
    return text if text.startswith("-") or is_zero(text) else f"+{text}"


def percent(share: float) -> str:
    """Format a share in percent; never rounded up to 100 %, nor down to -100 %."""
    value = 100 * share
    if 99.95 <= abs(value) < 100:
        value = math.copysign(99.9, value)
    text = f"{value:.0f} %" if value in (0.0, 100.0, -100.0) else f"{value:.1f} %"
    return _without_minus_zero(text)


def is_zero(text: str) -> bool:
    """Whether a formatted number shows nothing but zeros."""
    return not text.strip("-0.,% ")


def _without_minus_zero(text: str) -> str:
    return text.removeprefix("-") if is_zero(text) else text


def relative_change(today: float, plan: float) -> float | None:
    """Change of a figure as a share of today's, at least -1; None if :func:`decimal` shows today's as 0.00.

    A share of so small a figure would be misleading. The plan's figure may be that small.
    """
    return None if is_zero(decimal(today)) else (plan - today) / today


def plural(count: int, noun: str) -> str:
    """A count with its noun, such as ``1 policy`` or ``2 policies``."""
    many = noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"
    return f"{count:,} {noun if count == 1 else many}"


def short_id(arm_id: str) -> str:
    """Last part of an ARM id; a plain name stays as it is."""
    return ArmId(arm_id.rstrip("/")).name if arm_id.startswith("/") else arm_id


def shorten(text: str, width: int, ellipsis: str = ELLIPSIS) -> str:
    """Shorten a text to at most ``width`` characters in the middle, because names differ at their ends."""
    if len(text) <= width:
        return text
    kept = max(width - len(ellipsis), 2)
    head = kept // 2
    return text[:head] + ellipsis + text[len(text) - (kept - head) :]
