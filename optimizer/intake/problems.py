"""Collects the faults of an input, so that a user can fix all of them at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from optimizer.errors import DataError

SHOWN = 10
"""Number of faults of one kind that are listed; the rest is counted."""


@dataclass
class _Example:
    """A listed fault, and the number of faults that it represents."""

    fault: str
    count: int

    def text(self) -> str:
        """Text of the fault, with the number of similar faults."""
        return f"{self.fault} ({self.count - 1:,} more like this)" if self.count > 1 else self.fault


class Problems:
    """Faults grouped by kind, in order of first occurrence.

    Parameters
    ----------
    source
        File or folder with the faults, as shown in the message.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._examples: dict[str, dict[Hashable, _Example]] = {}
        self._counts: dict[str, int] = {}

    def add(self, kind: str, fault: str, count: int = 1, about: Hashable = None) -> None:
        """Record a fault.

        Parameters
        ----------
        kind
            Heading under which the fault is listed.
        fault
            Text of the fault.
        count
            Number of faults that ``fault`` represents.
        about
            Object with the fault, such as a VM. Of all faults of a kind about the same object, only the first is
            listed, with their number. By default, every fault is listed.
        """
        examples = self._examples.setdefault(kind, {})
        key = ("number", len(examples)) if about is None else about
        if key in examples:
            examples[key].count += count
        elif len(examples) < SHOWN:
            examples[key] = _Example(fault, count)
        self._counts[kind] = self._counts.get(kind, 0) + count

    def count(self, kind: str, number: int) -> None:
        """Count faults of a kind whose examples were added with ``count=0``."""
        self._counts[kind] += number

    def __bool__(self) -> bool:
        """Whether any fault was recorded."""
        return bool(self._examples)

    def raise_any(self) -> None:
        """Raise an error if there are faults.

        Raises
        ------
        DataError
            At least one fault was recorded; the first ten of each kind are listed.
        """
        if self._examples:
            blocks = "\n  ".join(map(self._block, self._examples))
            raise DataError(f"{self._source} cannot be used; nothing was written\n  {blocks}")

    def _block(self, kind: str) -> str:
        """Heading of a kind, its examples, and the number of faults that are not listed."""
        examples = self._examples[kind].values()
        rest = self._counts[kind] - sum(max(example.count, 1) for example in examples)
        lines = [example.text() for example in examples] + ([f"... and {rest:,} more"] if rest > 0 else [])
        return f"{kind}:\n    " + "\n    ".join(lines)


def list_columns(names: Sequence[str]) -> str:
    """List a file's columns for a message, shortened if the file is not a table."""
    if names and names[0][:1] in {"{", "["}:
        return f"{names[0][:_LONGEST_NAME]!r}, which looks like JSON: give that with --resources"
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return (", ".join(map(_shortened, names[:_MOST_NAMES])) or "none") + more


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."


_LONGEST_NAME, _MOST_NAMES = 40, 20
"""Number of characters of a column name, and number of names, that a message shows."""


def name_columns(names: Sequence[str]) -> str:
    """Columns in a sentence: ``the column a`` or ``the columns a, b``."""
    return f"the column{'' if len(names) == 1 else 's'} {', '.join(names)}"
