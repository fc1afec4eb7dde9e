"""Layout of text reports: characters that the terminal can show, shortened names, tables and numbers.

Every report is a :class:`Page`, a rich renderable that adapts to the console that prints it.  If the output does not
support UTF-8, it is drawn in ASCII.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rich import box
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from optimizer.model.arm_id import ArmId
from optimizer.report.terminal.message_text import printable

TEXT_WIDTH = 100
"""Number of columns that reports are designed for; they stay readable at 80."""


@dataclass(frozen=True)
class Glyphs:
    """Characters of a report.

    Parameters
    ----------
    bars
        Characters from empty to full, for small profiles.
    whole_names
        Whether names are never shortened, and tables may be wider than the page.
    """

    ellipsis: str
    arrow: str
    dash: str
    dot: str
    bars: str
    ascii_only: bool
    whole_names: bool = False

    def clean(self, text: str) -> str:
        """Text that is safe to print: no control characters, and only characters that the terminal can show."""
        shown = printable(text).replace("\n", "?")
        return shown.encode("ascii", "backslashreplace").decode() if self.ascii_only else shown

    def shorten(self, text: str, width: int) -> str:
        """Shorten a text to at most ``width`` characters in the middle, because names differ at their ends.

        With ``whole_names``, the text stays whole.
        """
        clean = self.clean(text)
        if self.whole_names or len(clean) <= width:
            return clean
        kept = max(width - len(self.ellipsis), 2)
        head = kept // 2
        return clean[:head] + self.ellipsis + clean[len(clean) - (kept - head) :]


UNICODE = Glyphs(ellipsis="…", arrow="→", dash="—", dot="·", bars=" ▁▂▃▄▅▆▇█", ascii_only=False)
ASCII = Glyphs(ellipsis="~", arrow="->", dash="-", dot="-", bars=" .:-=+*#@", ascii_only=True)


@dataclass(frozen=True)
class Page:
    """A report that is drawn when it is printed.

    Parameters
    ----------
    build
        Builds the parts of the report from the characters to use and the number of columns.
    whole_names
        Whether names stay whole, as a file or a pipe needs them, although some tables get wider than the console.
    """

    build: Callable[[Glyphs, int], Iterable[RenderableType]]
    whole_names: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the parts for this console; no text in them can control the terminal."""
        glyphs = replace(ASCII if options.ascii_only else UNICODE, whole_names=self.whole_names)
        for part in self.build(glyphs, options.max_width):
            for segment in console.render(part, options):
                yield segment if segment.control else Segment(printable(segment.text), segment.style)


def with_whole_names(renderable: RenderableType) -> RenderableType:
    """Report in which no name is shortened, as a file or a pipe needs it; only a :class:`Page` is changed."""
    return replace(renderable, whole_names=True) if isinstance(renderable, Page) else renderable


def to_text(renderable: RenderableType, width: int = TEXT_WIDTH, *, ascii_only: bool = False) -> str:
    """Plain text of a report, without colors and trailing blanks."""
    encoding = "ascii" if ascii_only else "utf-8"
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    console = Console(file=file, width=width, color_system=None, force_terminal=False, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(renderable, crop=False)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    share
        Share of the remaining columns that this column gets.  0: as wide as it needs, never shortened.
    prose
        Whether its text is wrapped instead of shortened.
    """

    title: str
    right: bool = False
    share: int = 0
    prose: bool = False


def number(title: str) -> Column:
    """Column of numbers, aligned to the right."""
    return Column(title, right=True)


@dataclass(frozen=True)
class Rows:
    """A table before it is laid out.

    Parameters
    ----------
    total
        Total number of rows, if only the worst ones are shown.
    """

    title: str
    columns: Sequence[Column]
    cells: Sequence[Sequence[str]]
    total: int | None = None
    note: str = ""
    styles: Sequence[str] = field(default=())


def table(rows: Rows, glyphs: Glyphs, width: int) -> RenderableType:
    """Fit a table into ``width`` columns; names are shortened in the middle, numbers never.

    With ``whole_names``, no name is shortened, and a table that needs more columns is wider.
    """
    cells = [[glyphs.clean(cell) for cell in row] for row in rows.cells]
    gap, limits = _column_widths(rows.columns, cells, width - 2)
    if glyphs.whole_names:
        limits = [
            limit if column.prose else max(len(column.title), *(len(row[index]) for row in cells))
            for index, (column, limit) in enumerate(zip(rows.columns, limits, strict=True))
        ]
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=_PADDING[gap], show_edge=False, header_style="dim")
    for column, limit in zip(rows.columns, limits, strict=True):
        justify: JustifyMethod = "right" if column.right else "left"
        most = limit if column.prose else None
        grid.add_column(Text(glyphs.clean(column.title)), justify=justify, no_wrap=not column.prose, max_width=most)
    for position, row in enumerate(cells):
        style = rows.styles[position] if position < len(rows.styles) else ""
        shown = [
            cell if column.prose else glyphs.shorten(cell, limit)
            for cell, column, limit in zip(row, rows.columns, limits, strict=True)
        ]
        grid.add_row(*(Text(cell, style=style) for cell in shown))
    title = Text(glyphs.clean(rows.title), style="bold")
    if rows.total is not None and rows.total > len(cells):
        title.append(f" ({len(cells)} of {rows.total:,} shown)", style="dim")
    parts: list[RenderableType] = [Text(), title]
    if rows.note:
        parts.append(Text(glyphs.clean(rows.note), style="dim"))
    if not glyphs.whole_names:
        return Group(*parts, Padding(grid, (0, 0, 0, 1)))
    return Group(*parts, _AsWide(Padding(grid, (0, 0, 0, 1), expand=False), 2 * sum(limits) + 4 * len(limits)))


@dataclass(frozen=True)
class _AsWide:
    """A part of a report that gets the columns that it needs, even if the console has fewer.

    Parameters
    ----------
    width
        Number of columns that is enough, even if every character is a wide one, as in Japanese.
    """

    part: RenderableType
    width: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the part."""
        yield from console.render(self.part, options.update(width=max(self.width, options.max_width)))


_PADDING: Mapping[int, tuple[int, int] | tuple[int, int, int, int]] = {3: (0, 1), 2: (0, 1, 0, 0), 1: (0, 0)}
"""Padding of cells that, with the line between them, makes a gap of the given number of columns."""


def _column_widths(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> tuple[int, list[int]]:
    """Gap between the columns and width of each column: gaps are narrowed before any name is shortened."""
    natural = [max([len(column.title), *(len(row[index]) for row in cells)]) for index, column in enumerate(columns)]
    gaps = len(columns) - 1
    gap = next((size for size in (3, 2) if sum(natural) + size * gaps <= width), 0)
    gap = gap or (2 if any(column.share for column in columns) else 1)
    room = width - gap * gaps
    fixed = sum(size for size, column in zip(natural, columns, strict=True) if not column.share)
    open_columns = [index for index, column in enumerate(columns) if column.share]
    left, limits = max(room - fixed, 8 * len(open_columns)), list(natural)
    while open_columns:
        shares = sum(columns[index].share for index in open_columns)
        fitting = [index for index in open_columns if natural[index] <= left * columns[index].share // shares]
        if not fitting:
            for index in open_columns:
                limits[index] = max(left * columns[index].share // shares, len(columns[index].title))
            break
        left -= sum(natural[index] for index in fitting)
        open_columns = [index for index in open_columns if index not in fitting]
    return gap, limits


def bullets(texts: Iterable[str], glyphs: Glyphs) -> RenderableType:
    """Bulleted sentences, one below the other, with hanging indents."""
    grid = Table.grid(padding=(0, 1))
    for text in texts:
        grid.add_row(Text(f" {glyphs.dot}"), Text(glyphs.clean(text)))
    return grid


def decimal(value: float) -> str:
    """Format a number with as many decimals as matter: 1,234 / 12.3 / 1.23; never ``-0``."""
    size = abs(value)
    text = f"{value:,.0f}" if size >= 999.5 else f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def decimals(values: Iterable[float]) -> list[str]:
    """Format the numbers of a column, all with the decimals that suit the largest, so that they line up."""
    column = list(values)
    top = max((abs(value) for value in column), default=0.0)
    digits = 0 if top >= 9999.5 else 1 if top >= 9.995 else 2
    texts = [f"{value:,.{digits}f}" for value in column]
    return [text if text.strip("-0.,") else text.removeprefix("-") for text in texts]


def decimal_pairs(today: Iterable[float], plan: Iterable[float]) -> tuple[list[str], list[str]]:
    """Format two columns that are compared row by row, with the same decimals in both."""
    first = list(today)
    texts = decimals([*first, *plan])
    return texts[: len(first)], texts[len(first) :]


def signed(value: float) -> str:
    """Format a difference with its sign."""
    text = decimal(value)
    return text if text.startswith("-") or not text.strip("0.,") else f"+{text}"


def percent(share: float) -> str:
    """Format a share in percent; never rounded up to 100 %, nor down to -100 %."""
    value = 100 * share
    if 99.95 <= abs(value) < 100:
        value = math.copysign(99.9, value)
    text = f"{value:.0f} %" if value in (0.0, 100.0, -100.0) else f"{value:.1f} %"
    return text if text.strip("-0. %") else text.removeprefix("-")


def relative_change(today: float, plan: float) -> float | None:
    """Change of a figure as a share of today's, at least -1; None if :func:`decimal` shows today's as 0.00.

    A share of so small a figure would be misleading.  The plan's figure may be that small.
    """
    return None if not decimal(today).strip("0.,") else (plan - today) / today


def plural(count: int, noun: str) -> str:
    """A count with its noun, such as ``1 policy`` or ``2 policies``."""
    many = noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"
    return f"{count:,} {noun if count == 1 else many}"


def short_id(arm_id: str) -> str:
    """Last part of an ARM id; a plain name stays as it is."""
    return ArmId(arm_id.rstrip("/")).name if arm_id.startswith("/") else arm_id


def profile_bars(values: Sequence[float | None], glyphs: Glyphs, top: float | None = None) -> str:
    """One character per value, from empty to ``top`` (by default, the largest value); blank for missing values."""
    known = [value for value in values if value is not None]
    highest = max(known, default=0.0) if top is None else top
    levels = len(glyphs.bars) - 1
    if highest <= 0:
        return "".join(" " if value is None else glyphs.bars[1] for value in values)
    return "".join(
        " " if value is None else glyphs.bars[max(1, min(levels, round(value / highest * levels)))] for value in values
    )
