"""Faults of an input, gathered so that a user mends them in one go, not one by one."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.errors import DataError

SHOWN = 10
"""Faults of one kind that are spelt out; the rest is counted."""


class Problems:
    """Faults by kind, in the order in which the kinds were met.

    Parameters
    ----------
    source
        The file or folder that they are in, as the message names it.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._examples: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def add(self, kind: str, fault: str, count: int = 1) -> None:
        """Note a fault; ``count`` of them where ``fault`` stands for several."""
        examples = self._examples.setdefault(kind, [])
        if len(examples) < SHOWN:
            examples.append(fault)
        self._counts[kind] = self._counts.get(kind, 0) + count

    def count(self, kind: str, number: int) -> None:
        """Count faults of a kind of which the first were added with ``count=0``."""
        self._counts[kind] += number

    def __bool__(self) -> bool:
        """Whether any fault was noted."""
        return bool(self._examples)

    def raise_any(self) -> None:
        """Stop where there are faults.

        Raises
        ------
        DataError
            At least one fault was noted; the first ten of each kind are listed.
        """
        if not self._examples:
            return
        blocks = []
        for kind, examples in self._examples.items():
            rest = self._counts[kind] - len(examples)
            lines = [*examples, f"... and {rest:,} more"] if rest > 0 else examples
            blocks.append(f"{kind}:\n    " + "\n    ".join(lines))
        raise DataError(f"{self._source} cannot be used; nothing was written\n  " + "\n  ".join(blocks))


def list_columns(names: Sequence[str]) -> str:
    """Columns of a file for a message, cut short where it is no table at all."""
    if names and names[0][:1] in {"{", "["}:
        return f"{names[0][:_LONGEST_NAME]!r}, which looks like JSON: give that with --resources"
    cut = [name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..." for name in names[:_MOST_NAMES]]
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return (", ".join(cut) or "none") + more


_LONGEST_NAME, _MOST_NAMES = 40, 20


def name_columns(names: Sequence[str]) -> str:
    """Columns for a sentence: ``the column a`` or ``the columns a, b``."""
    return f"the column{'' if len(names) == 1 else 's'} {', '.join(names)}"
