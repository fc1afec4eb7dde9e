"""How text is set: names, figures, tables, characters."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from optimizer.report.terminal.sheet import (
    ASCII,
    UNICODE,
    Column,
    Glyphs,
    Page,
    Rows,
    decimal,
    decimal_pairs,
    decimals,
    number,
    percent,
    plural,
    profile_bars,
    relative_change,
    short_id,
    signed,
    table,
    to_text,
)

GLYPHS = st.sampled_from([UNICODE, ASCII])


@given(st.text(max_size=80), st.integers(6, 60), GLYPHS)
def test_shortened_names_fit_and_keep_both_ends(text: str, width: int, glyphs: Glyphs) -> None:
    """What is too long loses its middle; what fits stays."""
    clean, short = glyphs.clean(text), glyphs.shorten(text, width)
    assert len(short) <= width
    assert short == clean or (short[:2] == clean[:2] and short[-2:] == clean[-2:])


@given(st.text())
def test_ascii_text_is_ascii_and_nothing_steers_the_terminal(text: str) -> None:
    """Names from outside can neither break the encoding nor send escape sequences."""
    assert ASCII.clean(text).isascii()
    assert UNICODE.clean(text).isprintable()


@given(
    st.lists(st.tuples(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=150)), min_size=1),
    st.sampled_from([80, 100, 120]),
    st.booleans(),
)
def test_tables_never_exceed_the_width(names: list[tuple[str]], width: int, ascii_only: bool) -> None:
    """However long the names are, every row is one line that fits; figures are whole."""
    rows = Rows(
        title="Names",
        columns=(Column("name", share=2), Column("other", share=1), number("figure")),
        cells=[(name, name * 2, "1,234.5") for (name,) in names],
    )
    lines = to_text(Page(lambda glyphs, size: [table(rows, glyphs, size)]), width, ascii_only=ascii_only).splitlines()
    assert max(map(len, lines)) <= width
    assert sum("1,234.5" in line for line in lines) == len(names)


@given(
    st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=150), min_size=1),
    st.sampled_from([80, 100]),
    st.booleans(),
)
def test_names_stay_whole_where_they_must(names: list[str], width: int, ascii_only: bool) -> None:
    """With ``whole_names``, tables are as wide as their names; prose keeps to the width."""
    rows = Rows(
        title="Names",
        columns=(Column("name", share=2), Column("why", share=1, prose=True), number("figure")),
        cells=[(name, "a reason " * 30, "1,234.5") for name in names],
    )
    page = Page(lambda glyphs, size: [table(rows, glyphs, size), Text("prose " * 40)], whole_names=True)
    lines = to_text(page, width, ascii_only=ascii_only).splitlines()
    glyphs = ASCII if ascii_only else UNICODE
    assert all(any(line.split()[:1] == [glyphs.clean(name)] for line in lines) for name in names)
    assert all(len(line) <= width for line in lines if line.startswith("prose"))


def test_gaps_narrow_before_figures_are_cut() -> None:
    """A table of figures that is too wide at the usual gaps is set closer, not shortened."""
    rows = Rows("Figures", [number(f"column{n}") for n in range(9)], [["12,345.6"] * 9])
    text = to_text(Page(lambda glyphs, size: [table(rows, glyphs, size)]), 84)
    assert text.count("12,345.6") == 9
    assert "column8" in text


def test_markup_in_names_is_shown_as_it_is() -> None:
    """Square brackets in a name are no markup."""
    rows = Rows("[bold]title", [Column("name", share=1)], [["[red]x[/red]"]])
    text = to_text(Page(lambda glyphs, size: [table(rows, glyphs, size)]))
    assert "[bold]title" in text
    assert "[red]x[/red]" in text


def test_a_page_asks_the_output_what_it_can_show() -> None:
    """The same page has an arrow in UTF-8 and an ASCII one elsewhere."""
    page = Page(lambda glyphs, _: [Text(glyphs.arrow)])
    assert to_text(page) == "→\n"
    assert to_text(page, ascii_only=True) == "->\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00"),
        (-0.001, "0.00"),
        (0.456, "0.46"),
        (-9.99, "-9.99"),
        (9.996, "10.0"),
        (123.4, "123.4"),
        (1234, "1,234"),
    ],
)
def test_decimals_that_matter(value: float, text: str) -> None:
    """Small figures have two decimals, large ones none, and there is no minus nought."""
    assert decimal(value) == text


def test_a_column_has_equal_decimals() -> None:
    """The largest figure decides."""
    assert decimals([12.34, 0.04, -0.01]) == ["12.3", "0.0", "0.0"]
    assert decimals([]) == []


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (1, "100 %"), (0.99999, "99.9 %"), (0.5, "50.0 %"), (-0.25, "-25.0 %")]
)
def test_percent_never_rounds_up_to_the_whole(share: float, text: str) -> None:
    """100 % is only said of the whole."""
    assert percent(share) == text


def test_words() -> None:
    """Signs, plurals and the last parts of ARM ids."""
    assert (signed(0.3), signed(-0.3), signed(0)) == ("+0.30", "-0.30", "0.00")
    assert (plural(1, "policy"), plural(2, "policy"), plural(3, "day")) == ("1 policy", "2 policies", "3 days")
    assert (short_id("/subscriptions/s/vaults/v1"), short_id("a/b")) == ("v1", "a/b")


def test_profile_bars_scale_to_the_largest() -> None:
    """The largest is full, nought is the lowest bar, and what is missing is blank."""
    assert profile_bars([0, 8, None, 4], UNICODE) == "▁█ ▄"
    assert profile_bars([0.0, None], ASCII) == ". "


def test_no_report_can_steer_the_terminal() -> None:
    """Whatever a part of a page holds, only line breaks and printable characters come out; styles still do."""
    hostile = "approved by \x1b[31mboard\x1b[0m\x07\u202egnirts\x9b1m"
    page = Page(lambda _glyphs, _width: [Text(hostile, style="bold"), hostile.replace("[", "("), Text("a\nb")])
    assert to_text(page) == ("approved by ?[31mboard?[0m?gnirts?1m\napproved by ?(31mboard?(0m?gnirts?1m\na\nb\n")
    console = Console(file=io.StringIO(), color_system="standard", force_terminal=True, width=80, highlight=False)
    with console.capture() as capture:
        console.print(page)
    assert capture.get().count("\x1b[1m") == 1


@pytest.mark.parametrize(
    ("today", "plan", "shown"),
    [
        (10.0, 0.0, "-100 %"),
        (10.0, 0.001, "-99.9 %"),
        (1000.0, 0.01, "-99.9 %"),
        (10.0, 9.9999, "0.0 %"),
        (10.0, 12.0, "20.0 %"),
        (10.0, 10.0, "0 %"),
        (0.004, 0.002, None),
        (0.004, 5.0, None),
        (0.0, 0.0, None),
    ],
)
def test_changes_are_no_larger_than_they_are(today: float, plan: float, shown: str | None) -> None:
    """A rest is never shown as -100 %, and next to nothing has no percentage at all."""
    change = relative_change(today, plan)
    assert (change if change is None else percent(change)) == shown


def test_columns_that_are_compared_have_the_same_decimals() -> None:
    """0.0 is not shown beside 0.00, as it would look like a change."""
    assert decimal_pairs([17.8, 0.0], [0.29, 0.0]) == (["17.8", "0.0"], ["0.3", "0.0"])
    assert decimal_pairs([], []) == ([], [])
