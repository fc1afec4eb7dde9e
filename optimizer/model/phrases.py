"""Phrases that several messages use: lists of names, with the number of those that are left out."""

from __future__ import annotations

from collections.abc import Sequence, Sized

VMS_NAMED = 5
"""Number of VMs that a sentence names; JSON has all of them."""


def listed(texts: Sequence[str]) -> str:
    """Join texts as ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def count_vms(vms: Sized) -> str:
    """Number of VMs, as text."""
    return f"{len(vms):,} VM{'s' if len(vms) != 1 else ''}"


def some_of(vms: Sequence[str]) -> str:
    """The first names, and the number of further ones."""
    return ", ".join(vms[:VMS_NAMED]) + (f" and {len(vms) - VMS_NAMED:,} more" if len(vms) > VMS_NAMED else "")
