"""Faults of an input, gathered so that a user mends them in one go, not one by one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from optimizer.errors import DataError

SHOWN = 10
"""Faults of one kind that are spelt out; the rest is counted."""


@dataclass
class _Example:
    """A fault that is listed, and the number of faults that it stands for."""

    fault: str
    count: int

    def text(self) -> str:
        """The fault, and how many more there are like it."""
        return f"{self.fault} ({self.count - 1:,} more like this)" if self.count > 1 else self.fault


class Problems:
    """Faults by kind, in the order in which the kinds were met.

    Parameters
    ----------
    source
        The file or folder that they are in, as the message names it.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._examples: dict[str, dict[Hashable, _Example]] = {}
        self._counts: dict[str, int] = {}

    def add(self, kind: str, fault: str, count: int = 1, about: Hashable = None) -> None:
        """Note a fault.

        Parameters
        ----------
        kind
            Heading under which it is listed.
        fault
            Its text.
        count
            Number of faults that ``fault`` stands for.
        about
            What is at fault, such as a VM: of all faults of a kind about it only the first is listed, with their
            number.  By default, every fault is listed.
        """
        examples = self._examples.setdefault(kind, {})
        key = ("number", len(examples)) if about is None else about
        if key in examples:
            examples[key].count += count
        elif len(examples) < SHOWN:
            examples[key] = _Example(fault, count)
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
            rest = self._counts[kind] - sum(max(example.count, 1) for example in examples.values())
            lines = [example.text() for example in examples.values()] + (
                [f"... and {rest:,} more"] if rest > 0 else []
            )
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
