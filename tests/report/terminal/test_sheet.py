"""How text is set: names, figures, tables, characters."""

from __future__ import annotations

import io
import re

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from optimizer.report.table import Column, Table, figure, number, prose, text
from optimizer.report.terminal.sheet import ASCII, UNICODE, Glyphs, Page, Sheet, to_text

GLYPHS = st.sampled_from([UNICODE, ASCII])


@given(st.text(max_size=80), st.integers(6, 60), GLYPHS)
def test_shortened_names_fit_and_keep_both_ends(name: str, width: int, glyphs: Glyphs) -> None:
    """A name that is too long loses its middle; a name that fits stays."""
    sheet = Sheet(glyphs=glyphs)
    clean, short = sheet.clean(name), sheet.shorten(name, width)
    assert len(short) <= width
    assert short == clean or (short[:2] == clean[:2] and short[-2:] == clean[-2:])


@given(st.text())
def test_ascii_text_is_ascii_and_nothing_steers_the_terminal(name: str) -> None:
    """Names from outside can neither break the encoding nor send escape sequences."""
    assert Sheet(glyphs=ASCII).clean(name).isascii()
    assert Sheet(glyphs=UNICODE).clean(name).isprintable()


@given(
    st.lists(st.tuples(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=150)), min_size=1),
    st.sampled_from([80, 100, 120]),
    st.booleans(),
)
def test_tables_never_exceed_the_width(names: list[tuple[str]], width: int, ascii_only: bool) -> None:
    """However long the names are, every row is one line that fits; figures are whole."""
    columns: tuple[Column[str], ...] = (
        text("name", str, share=2),
        text("other", lambda name: name * 2, share=1),
        text("figure", lambda _: "1,234.5"),
    )
    table = Table.of("Names", columns, [name for (name,) in names])
    lines = to_text(Page(lambda sheet: [sheet.table(table)]), width, ascii_only=ascii_only).splitlines()
    assert max(map(len, lines)) <= width
    assert sum("1,234.5" in line for line in lines) == len(names)


@given(
    st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=150), min_size=1),
    st.sampled_from([80, 100]),
    st.booleans(),
)
def test_names_stay_whole_where_they_must(names: list[str], width: int, ascii_only: bool) -> None:
    """With ``whole_names``, tables are as wide as their names; prose keeps to the width."""
    columns: tuple[Column[str], ...] = (
        text("name", str, share=2),
        prose("why", lambda _: "a reason " * 30, share=1),
        number("figure", lambda _: "1,234.5"),
    )
    table = Table.of("Names", columns, names)
    page = Page(lambda sheet: [sheet.table(table), Text("prose " * 40)], whole_names=True)
    lines = to_text(page, width, ascii_only=ascii_only).splitlines()
    sheet = Sheet(glyphs=ASCII if ascii_only else UNICODE)
    assert all(any(line.split()[:1] == [sheet.clean(name)] for line in lines) for name in names)
    assert all(len(line) <= width for line in lines if line.startswith("prose"))


def test_gaps_narrow_before_figures_are_cut() -> None:
    """A table of figures that is too wide at the usual gaps is set closer, not shortened."""
    columns: list[Column[float]] = [figure(f"column{n}", float) for n in range(9)]
    shown = to_text(Page(lambda sheet: [sheet.table(Table.of("Figures", columns, [12345.6]))]), 72)
    assert shown.count("12,346") == 9
    assert "column8" in shown


def test_markup_in_names_is_shown_as_it_is() -> None:
    """Square brackets in a name are no markup."""
    columns: list[Column[str]] = [text("name", str, share=1)]
    shown = to_text(Page(lambda sheet: [sheet.table(Table.of("[bold]title", columns, ["[red]x[/red]"]))]))
    assert "[bold]title" in shown
    assert "[red]x[/red]" in shown


def test_a_page_asks_the_output_what_it_can_show() -> None:
    """The same page has an arrow in UTF-8 and an ASCII one elsewhere."""
    page = Page(lambda sheet: [Text(sheet.arrow)])
    assert to_text(page) == "→\n"
    assert to_text(page, ascii_only=True) == "->\n"


def test_profile_bars_scale_to_the_largest() -> None:
    """The largest is full, nought is the lowest bar, and what is missing is blank."""
    assert Sheet(glyphs=UNICODE).profile([0, 8, None, 4]) == "▁█ ▄"
    assert Sheet(glyphs=ASCII).profile([0.0, None]) == ". "


def test_no_report_can_steer_the_terminal() -> None:
    """Whatever a part of a page holds, only line breaks and printable characters come out; styles still do."""
    hostile = "approved by \x1b[31mboard\x1b[0m\x07\u202egnirts\x9b1m"
    page = Page(lambda _: [Text(hostile, style="bold"), hostile.replace("[", "("), Text("a\nb")])
    assert to_text(page) == ("approved by ?[31mboard?[0m?gnirts?1m\napproved by ?(31mboard?(0m?gnirts?1m\na\nb\n")
    console = Console(file=io.StringIO(), color_system="standard", force_terminal=True, width=80, highlight=False)
    with console.capture() as capture:
        console.print(page)
    assert capture.get().count("\x1b[1m") == 1


def test_rows_have_their_styles() -> None:
    """A style of a row colors its cells, and only those."""
    columns: list[Column[str]] = [text("name", str)]
    table = Table.of("Names", columns, ["plain", "loud"], style=lambda name: "bold" if name == "loud" else "")
    console = Console(file=io.StringIO(), color_system="standard", force_terminal=True, width=80, highlight=False)
    with console.capture() as capture:
        console.print(Page(lambda sheet: [sheet.table(table)]))
    assert re.search(r"\x1b\[1mloud", capture.get())
    assert not re.search(r"\x1b\[1mplain", capture.get())


def test_headings_state_how_much_is_shown() -> None:
    """A table that leaves rows out has both numbers in its heading, and its note below."""
    columns: list[Column[int]] = [number("n", str)]
    shown = to_text(
        Page(lambda sheet: [sheet.table(Table.of("Numbers", columns, range(1500), most=2, note="a note"))])
    )
    assert shown.splitlines()[1:3] == ["Numbers (2 of 1,500 shown)", "a note"]
    whole = to_text(Page(lambda sheet: [sheet.table(Table.of("Numbers", columns, range(3), most=3))]))
    assert whole.splitlines()[1] == "Numbers"
