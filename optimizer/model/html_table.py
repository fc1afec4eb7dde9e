"""Tables as HTML, for objects that show themselves in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from optimizer.model.arm_id import ArmId

Cell = str | int | float | None

MOST_ROWS = 10
"""Number of rows of a long list that an object shows of itself; data frames have all of them."""


def html_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], total: int | None = None) -> str:
    """Table with numbers aligned to the right.

    Parameters
    ----------
    columns
        Heads of the columns.
    rows
        One cell per column: text, a count, a number shown with one decimal, or None for an empty cell.
    total
        Number of rows if only the first ones are given; the table then says so.
    """
    numeric = [any(isinstance(row[index], int | float) for row in rows) for index in range(len(columns))]
    styles = [' style="text-align: right"' if right else "" for right in numeric]
    heads = "".join(f"<th{style}>{escape(title)}</th>" for title, style in zip(columns, styles, strict=True))
    lines = [
        "".join(f"<td{style}>{escape(_text(cell))}</td>" for cell, style in zip(row, styles, strict=True))
        for row in rows
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    more = f"<p>The first {len(rows):,} of {total:,}.</p>" if total is not None and total > len(rows) else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{more}"


def html_view(title: str, sentences: Sequence[str], *tables: str, notes: Sequence[str] = ()) -> str:
    """Title, sentences and tables, and notes that are folded away.

    Parameters
    ----------
    title, sentences, notes
        Text, which is escaped. An empty title is left out.
    tables
        Results of :func:`html_table`.
    """
    text = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    folded = ""
    if notes:
        lines = "".join(f"<li>{escape(note)}</li>" for note in notes)
        folded = f"<details><summary>Notes ({len(notes)})</summary><ul>{lines}</ul></details>"
    head = f"<strong>{escape(title)}</strong>" if title else ""
    return f"<div>{head}{text}{''.join(tables)}{folded}</div>"


def name_of(arm_id: str) -> str:
    """Last part of an ARM id; a plain name stays as it is."""
    return ArmId(arm_id).name


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:,.1f}" if abs(cell) >= 9.95 else f"{cell:,.2f}"
    return f"{cell:,}" if isinstance(cell, int) else cell
