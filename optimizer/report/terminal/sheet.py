"""Layout of text reports: characters that the terminal can show, tables, bullets and small profiles.

Every report is a :class:`Page`, a rich renderable that adapts to the console that prints it. It draws on a
:class:`Sheet`, which knows the console's characters and width. If the output does not support UTF-8, the report is
drawn in ASCII.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table as Grid
from rich.text import Text

from optimizer.report.formats import shorten
from optimizer.report.table import Column, Table
from optimizer.report.terminal.column_widths import column_widths, natural_widths
from optimizer.report.terminal.message_text import printable
from optimizer.report.terminal.shell import command_lines

TEXT_WIDTH = 100
"""Number of columns that reports are designed for; they stay readable at 80."""

MARGIN = 2
"""Number of columns around a table."""

HOURS = "".join(f"{hour:02d}".ljust(6) for hour in range(0, 24, 3)).rstrip()
"""Hours of the day, for the line below a profile of 48 characters."""


@dataclass(frozen=True)
class Glyphs:
    """Characters of a report.

    Parameters
    ----------
    bars
        Characters from empty to full, for small profiles.
    """

    ellipsis: str
    arrow: str
    dash: str
    dot: str
    bars: str
    ascii_only: bool


UNICODE = Glyphs(ellipsis="…", arrow="→", dash="—", dot="·", bars=" ▁▂▃▄▅▆▇█", ascii_only=False)
ASCII = Glyphs(ellipsis="~", arrow="->", dash="-", dot="-", bars=" .:-=+*#@", ascii_only=True)

_PADDING: Mapping[int, tuple[int, int] | tuple[int, int, int, int]] = {3: (0, 1), 2: (0, 1, 0, 0), 1: (0, 0)}
"""Padding of cells that, with the line between them, makes a gap of the given number of columns."""


@dataclass(frozen=True)
class Sheet:
    """Sheet on which a report is drawn.

    Parameters
    ----------
    width
        Number of columns.
    glyphs
        Characters that the terminal can show.
    whole_names
        Whether names are never shortened, and tables may be wider than the sheet.
    """

    width: int = TEXT_WIDTH
    glyphs: Glyphs = UNICODE
    whole_names: bool = False

    @property
    def arrow(self) -> str:
        """Arrow from an old value to a new one."""
        return self.glyphs.arrow

    @property
    def dash(self) -> str:
        """Dash in place of a value that does not exist."""
        return self.glyphs.dash

    @property
    def dot(self) -> str:
        """Dot between the entries of a line."""
        return self.glyphs.dot

    def clean(self, text: str) -> str:
        """Text that is safe to print: no control characters, and only characters that the terminal can show."""
        shown = printable(text).replace("\n", "?")
        return shown.encode("ascii", "backslashreplace").decode() if self.glyphs.ascii_only else shown

    def shorten(self, text: str, width: int) -> str:
        """Shorten a name to at most ``width`` characters in the middle; with ``whole_names``, it stays whole."""
        clean = self.clean(text)
        return clean if self.whole_names else shorten(clean, width, self.glyphs.ellipsis)

    def line(self, text: str, style: str = "") -> Text:
        """A line of text that may contain names."""
        return Text(self.clean(text), style=style)

    def heading(self, text: str, remark: str = "") -> Iterator[Text]:
        """An empty line, then a heading in bold with a remark in parentheses."""
        yield Text()
        heading = self.line(text, "bold")
        yield heading.append(f" ({self.clean(remark)})", style="dim") if remark else heading

    def bullets(self, texts: Iterable[str]) -> RenderableType:
        """Bulleted sentences, one below the other, with hanging indents."""
        grid = Grid.grid(padding=(0, 1))
        for text in texts:
            grid.add_row(Text(f" {self.dot}"), self.line(text))
        return grid

    def commands(self, command: str, indent: int) -> list[Text]:
        """Lines of a command to be copied from the terminal; none if it is empty."""
        return command_lines(command, self.width, indent)

    def profile(self, values: Sequence[float | None], top: float | None = None) -> str:
        """One character per value, from empty to ``top`` (by default, the largest); blank for missing values."""
        known = [value for value in values if value is not None]
        highest = max(known, default=0.0) if top is None else top
        return "".join(
            " " if value is None else self._bar(value / highest if highest > 0 else 0.0) for value in values
        )

    def _bar(self, share: float) -> str:
        """Character for a share of the largest value, which is not empty even for a share of 0."""
        levels = len(self.glyphs.bars) - 1
        return self.glyphs.bars[max(1, min(levels, round(share * levels)))]

    def table(self, table: Table) -> RenderableType:
        """Fit a table into the sheet; names are shortened in the middle, numbers never.

        With ``whole_names``, no name is shortened, and a table that needs more columns is wider.
        """
        cells = [[self.clean(cell) for cell in row] for row in table.cells]
        natural = natural_widths(table.titles, cells)
        shares = [column.share for column in table.columns]
        gap, widths = column_widths(natural, list(map(len, table.titles)), shares, self.width - MARGIN)
        if self.whole_names:
            widths = [
                width if column.prose else whole
                for column, width, whole in zip(table.columns, widths, natural, strict=True)
            ]
        drawn = Padding(self._grid(table, cells, widths, gap), (0, 0, 0, 1), expand=not self.whole_names)
        wide = _AsWide(drawn, 2 * sum(widths) + 4 * len(widths)) if self.whole_names else drawn
        return Group(*self._above(table), wide)

    def _above(self, table: Table) -> Iterator[Text]:
        """Title of a table, with how much of it is shown, and its note."""
        more = table.total is not None and table.total > len(table.cells)
        yield from self.heading(table.title, f"{len(table.cells)} of {table.total:,} shown" if more else "")
        if table.note:
            yield self.line(table.note, "dim")

    def _grid(self, table: Table, cells: Sequence[Sequence[str]], widths: Sequence[int], gap: int) -> Grid:
        grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=_PADDING[gap], show_edge=False, header_style="dim")
        for column, width in zip(table.columns, widths, strict=True):
            grid.add_column(
                self.line(column.title),
                justify="right" if column.right else "left",
                no_wrap=not column.prose,
                max_width=width if column.prose else None,
            )
        styles = [*table.styles, *[""] * (len(cells) - len(table.styles))]
        for row, style in zip(cells, styles, strict=True):
            shown = map(self._fitted, row, table.columns, widths)
            grid.add_row(*(Text(cell, style=style) for cell in shown))
        return grid

    def _fitted(self, cell: str, column: Column[object], width: int) -> str:
        return cell if column.prose else self.shorten(cell, width)


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


@dataclass(frozen=True)
class Page:
    """A report that is drawn when it is printed.

    Parameters
    ----------
    build
        Builds the parts of the report for a sheet.
    whole_names
        Whether names stay whole, as a file or a pipe needs them, although some tables get wider than the console.
    """

    build: Callable[[Sheet], Iterable[RenderableType]]
    whole_names: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the parts for this console; no text in them can control the terminal."""
        glyphs = ASCII if options.ascii_only else UNICODE
        for part in self.build(Sheet(options.max_width, glyphs, self.whole_names)):
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
