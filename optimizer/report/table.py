"""Tables before layout: the cells that each column shows, with aligned figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from optimizer.report.formats import decimals

T = TypeVar("T")


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column of a table.

    Parameters
    ----------
    value
        Returns what the column shows of a row: a text, or a number if the column has a scale.
    right
        Whether the text is aligned to the right, as numbers are.
    share
        Share of the remaining columns of the terminal that this column gets. 0: as wide as it needs, never shortened.
    prose
        Whether its text is wrapped instead of shortened.
    scale
        Columns of numbers with the same scale have the same number of decimals. Empty: the values are text.
    """

    title: str
    value: Callable[[T], str | float]
    right: bool = False
    share: int = 0
    prose: bool = False
    scale: str = ""


def text(title: str, value: Callable[[T], str], share: int = 0) -> Column[T]:
    """Column of texts or names; columns with a share are shortened if there is too little room."""
    return Column(title, value, share=share)


def prose(title: str, value: Callable[[T], str], share: int) -> Column[T]:
    """Column of sentences, which are wrapped."""
    return Column(title, value, share=share, prose=True)


def number(title: str, value: Callable[[T], str]) -> Column[T]:
    """Column of numbers that are formatted one by one."""
    return Column(title, value, right=True)


def count(title: str, value: Callable[[T], int]) -> Column[T]:
    """Column of whole numbers."""
    return Column(title, lambda row: f"{value(row):,}", right=True)


def figure(title: str, value: Callable[[T], float], scale: str = "") -> Column[T]:
    """Column of numbers that all have the decimals that suit the largest.

    Parameters
    ----------
    title
        Title of the column.
    value
        Returns the number of a row.
    scale
        Name shared by columns that are compared row by row, so that they have the same decimals. By default, the
        column's title.
    """
    return Column(title, value, right=True, scale=scale or title)


@dataclass(frozen=True)
class Table:
    """A table before it is laid out.

    Parameters
    ----------
    cells
        One text for each column, for each row that is shown.
    total
        Total number of rows, if only the first ones are shown.
    styles
        Style of each row in the terminal; empty or missing: plain.
    """

    title: str
    columns: Sequence[Column[Any]]
    cells: Sequence[Sequence[str]]
    total: int | None = None
    note: str = ""
    styles: Sequence[str] = field(default=())

    @property
    def titles(self) -> tuple[str, ...]:
        """Titles of the columns."""
        return tuple(column.title for column in self.columns)

    @classmethod
    def of(
        cls,
        title: str,
        columns: Sequence[Column[T]],
        rows: Sequence[T],
        *,
        most: int | None = None,
        note: str = "",
        style: Callable[[T], str] = lambda _: "",
    ) -> Table:
        """Table of the first rows.

        Parameters
        ----------
        title, columns
            Title of the table, and its columns.
        rows
            All rows.
        most
            Maximum number of rows to show. None: all.
        note
            Explanation of the columns.
        style
            Returns the style of a row in the terminal.
        """
        shown = rows[:most]
        styles = [style(row) for row in shown]
        return cls(title, columns, _cells(columns, shown), total=len(rows), note=note, styles=styles)


def _cells(columns: Sequence[Column[T]], rows: Sequence[T]) -> list[tuple[str, ...]]:
    """Texts of the rows; numbers of one scale are formatted together."""
    values = [[column.value(row) for row in rows] for column in columns]
    formats = _formats(columns, values)
    texts = [
        [formats[column.scale][value] for value in shown] if column.scale else [str(value) for value in shown]
        for column, shown in zip(columns, values, strict=True)
    ]
    return list(zip(*texts, strict=True))


def _formats(
    columns: Sequence[Column[T]], values: Sequence[Sequence[str | float]]
) -> Mapping[str, Mapping[str | float, str]]:
    """For each scale, the text of each of its numbers."""
    numbers: dict[str, list[float]] = {}
    for column, shown in zip(columns, values, strict=True):
        if column.scale:
            numbers.setdefault(column.scale, []).extend(map(float, shown))
    return {scale: dict(zip(known, decimals(known), strict=True)) for scale, known in numbers.items()}
