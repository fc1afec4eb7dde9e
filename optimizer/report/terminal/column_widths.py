"""Widths of the columns of a table, in characters: gaps are narrowed before any name is shortened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

USUAL_GAP, NARROW_GAP, LEAST_GAP = 3, 2, 1
"""Number of characters between two columns: usually, where that is too wide, and where no name can be shortened."""

LEAST_SHARE = 8
"""Minimum number of characters, on average, of the columns that may be shortened."""


def natural_widths(titles: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    """Number of characters that each column needs for its title and its widest cell."""
    return [max(map(len, column)) for column in zip(titles, *cells, strict=True)]


def column_widths(
    natural: Sequence[int], titles: Sequence[int], shares: Sequence[int], width: int
) -> tuple[int, list[int]]:
    """Gap between the columns, and width of each column.

    Parameters
    ----------
    natural
        Number of characters that each column needs.
    titles
        Number of characters of each title; no column gets narrower.
    shares
        Share of each column in what the others leave. 0: it is never shortened.
    width
        Number of characters that the table may take.
    """
    gap = _gap(natural, shares, width)
    room = width - gap * (len(natural) - 1)
    fixed = sum(size for size, share in zip(natural, shares, strict=True) if not share)
    flexible = {column: share for column, share in enumerate(shares) if share}
    left = max(room - fixed, LEAST_SHARE * len(flexible))
    widths = list(natural)
    for column, size in _shared(natural, flexible, left).items():
        widths[column] = max(size, titles[column])
    return gap, widths


def _gap(natural: Sequence[int], shares: Sequence[int], width: int) -> int:
    gaps = len(natural) - 1
    for gap in (USUAL_GAP, NARROW_GAP):
        if sum(natural) + gap * gaps <= width:
            return gap
    return NARROW_GAP if any(shares) else LEAST_GAP


def _shared(natural: Sequence[int], shares: Mapping[int, int], left: int) -> dict[int, int]:
    """Widths of the columns that must be shortened; those that fit into their share leave the rest to the others."""
    total = sum(shares.values())
    fitting = {column for column, share in shares.items() if natural[column] <= left * share // total}
    if not fitting:
        return {column: left * share // total for column, share in shares.items()}
    others = {column: share for column, share in shares.items() if column not in fitting}
    return _shared(natural, others, left - sum(natural[column] for column in fitting))
