"""Phrases that several messages use: numbers with their nouns, and lists of names, shortened if they are long."""

from __future__ import annotations

from collections.abc import Sequence, Sized

VMS_NAMED = 5
"""Number of VMs that a sentence names; JSON has all of them."""


def listed(texts: Sequence[str]) -> str:
    """Join texts as ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def counted(number: int, singular: str, plural: str) -> str:
    """A number with its noun, such as ``1 VM moves`` or ``2 VMs move``."""
    return f"{number:,} {singular if number == 1 else plural}"


def count_vms(vms: Sized) -> str:
    """Number of VMs, as text."""
    return counted(len(vms), "VM", "VMs")


def some_of(names: Sequence[str], most: int = VMS_NAMED) -> str:
    """The first names, at most ``most`` of them, and the number of further ones: ``a, b, c and 4 more``."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
