"""Lists in messages: the first few entries, and how many more there are."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 3
"""Maximum number of VMs, writes or reasons that a message lists."""


def first_few(texts: Sequence[str], most: int = NAMED, separator: str = ", ") -> str:
    """Join texts, but only the first few of them: ``a, b, c and 4 more``."""
    shown = separator.join(texts[:most])
    return f"{shown} and {len(texts) - most} more" if len(texts) > most else shown


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Count with its noun, such as ``1 VM`` or ``2 policies``.

    Parameters
    ----------
    number
        Number of things.
    noun
        Word for one of them.
    plural
        Word for several of them. By default, the noun with an s.
    """
    return f"1 {noun}" if number == 1 else f"{number} {plural or noun + 's'}"
