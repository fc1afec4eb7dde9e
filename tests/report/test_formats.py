"""Numbers and names as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.report.formats import (
    decimal,
    decimals,
    is_zero,
    percent,
    plural,
    relative_change,
    short_id,
    shorten,
    signed,
)


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


@given(st.text(max_size=80), st.integers(6, 60), st.sampled_from(["…", "~"]))
def test_shortened_text_fits_and_keeps_both_ends(text: str, width: int, ellipsis: str) -> None:
    """A text that is too long loses its middle; a text that fits stays."""
    short = shorten(text, width, ellipsis)
    assert len(short) <= width
    assert short == text or (short[:2] == text[:2] and short[-2:] == text[-2:] and ellipsis in short)


@pytest.mark.parametrize(
    ("text", "zero"), [("0.00", True), ("-0.0", True), ("0 %", True), ("0.01", False), ("100 %", False)]
)
def test_what_is_shown_as_zero(text: str, zero: bool) -> None:
    """Only zeros count, with any number of decimals and any sign."""
    assert is_zero(text) == zero


def test_short_ids_ignore_a_slash_at_the_end() -> None:
    """An id with a slash at its end has the same last part."""
    assert short_id("/subscriptions/s/vaults/v1/") == "v1"
