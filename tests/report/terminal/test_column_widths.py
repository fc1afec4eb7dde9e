"""Widths of columns: gaps narrow first, then names are shortened, and numbers never."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from optimizer.report.terminal.column_widths import column_widths, natural_widths


def test_a_column_is_as_wide_as_its_widest_cell() -> None:
    """The title counts like a cell."""
    assert natural_widths(["VM", "at risk"], [["web-01", "1"], ["a", "22"]]) == [6, 7]
    assert natural_widths(["VM"], []) == [2]


def test_what_fits_keeps_its_width() -> None:
    """With room for everything, the gap is the usual one and nothing is shortened."""
    assert column_widths([10, 5], [2, 2], [1, 0], 18) == (3, [10, 5])


def test_gaps_narrow_before_names_are_shortened() -> None:
    """One character less than the usual gap needs."""
    assert column_widths([10, 5], [2, 2], [1, 0], 17) == (2, [10, 5])


def test_names_give_way_to_numbers() -> None:
    """The number keeps its 5 characters; the name gets what is left beside a gap of 2."""
    assert column_widths([30, 5], [2, 2], [1, 0], 20) == (2, [13, 5])


def test_without_names_the_gap_is_the_least() -> None:
    """Nothing can be shortened, so only the gap gives way."""
    assert column_widths([10, 10], [2, 2], [0, 0], 15) == (1, [10, 10])


def test_names_share_what_is_left() -> None:
    """30 characters for shares of 2 and 1."""
    assert column_widths([50, 50], [2, 2], [2, 1], 32) == (2, [20, 10])


def test_a_short_name_leaves_its_share_to_the_others() -> None:
    """The second column needs 4 of its 10 characters; the first gets the other 26."""
    assert column_widths([50, 4], [2, 2], [2, 1], 32) == (2, [26, 4])


def test_no_column_is_narrower_than_its_title() -> None:
    """A title is never cut, even if the table gets wider than the terminal."""
    assert column_widths([50, 50], [25, 2], [1, 1], 32) == (2, [25, 15])


@given(st.data())
def test_names_never_take_more_than_is_left(data: st.DataObject) -> None:
    """Whatever the widths, the shortened columns fit beside the others if there are 8 characters for each."""
    natural = data.draw(st.lists(st.integers(1, 60), min_size=1, max_size=6))
    shares = data.draw(st.lists(st.integers(0, 3), min_size=len(natural), max_size=len(natural)))
    width = data.draw(st.integers(20, 120))
    gap, widths = column_widths(natural, [1] * len(natural), shares, width)
    fixed = sum(size for size, share in zip(natural, shares, strict=True) if not share)
    assume(fixed + 8 * sum(map(bool, shares)) + gap * (len(natural) - 1) <= width)
    assert sum(widths) + gap * (len(natural) - 1) <= width
    assert all(size <= most for size, most in zip(widths, natural, strict=True))
