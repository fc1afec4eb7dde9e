"""OData filters and the tokens of pages."""

from __future__ import annotations

import pytest

from optimizer.emulator.filters import page, parse_filter, same
from optimizer.emulator.refusal import Refusal


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        (None, {}),
        ("", {}),
        ("Status eq 'InProgress'", {"status": "InProgress"}),
        ("a eq 'x y' and B eq 'it''s' AND c/d eq ''", {"a": "x y", "b": "it's", "c/d": ""}),
    ],
)
def test_terms_are_read_by_name(text: str | None, terms: dict[str, str]) -> None:
    """Names are in lower case, values as written, and a doubled quote is one quote."""
    assert parse_filter(text) == terms


@pytest.mark.parametrize("text", ["everything", "a eq b", "a eq 'b' or c eq 'd'", "a ne 'b'", "a eq 'b' c"])
def test_other_filters_are_refused(text: str) -> None:
    """What the emulator does not support is a 400 that quotes the filter."""
    with pytest.raises(Refusal, match=f"400 BMSUserErrorInvalidInput: The filter is not valid: {text}"):
        parse_filter(text)


def test_values_are_compared_without_case() -> None:
    """None accepts everything; an absent value equals only the empty text."""
    assert same("AzureIaasVM", "azureiaasvm") and same("x", None) and same(None, "")
    assert not same("x", "y") and not same(None, "x")


def test_pages_cover_all_rows_once() -> None:
    """Each token leads to the next page, and the last page has none."""
    rows, seen, token = list(range(7)), [], None
    for _ in range(3):
        shown, token = page(rows, token, 3)
        seen += shown
    assert seen == rows
    assert token is None
    assert page(rows[:3], None, 3) == ([0, 1, 2], None)


def test_an_unreadable_token_is_refused() -> None:
    """A token that this service did not make is a 400."""
    with pytest.raises(Refusal, match="400 BadRequest: The skip token is not valid"):
        page([1, 2], "!", 1)
