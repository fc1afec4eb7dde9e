"""Lists and counts in messages."""

from __future__ import annotations

import pytest

from optimizer.rollout.writes.listing import count_of, first_few


@pytest.mark.parametrize(
    ("texts", "shown"),
    [([], ""), (["a"], "a"), (["a", "b", "c"], "a, b, c"), (["a", "b", "c", "d", "e"], "a, b, c and 2 more")],
)
def test_long_lists_are_cut_off(texts: list[str], shown: str) -> None:
    """Three entries are shown, and the number of the others."""
    assert first_few(texts) == shown


def test_the_length_and_the_separator_can_be_chosen() -> None:
    """Sentences are separated by semicolons."""
    assert first_few(["one", "two", "three"], 2, "; ") == "one; two and 1 more"


def test_nouns_have_their_plural() -> None:
    """One VM, no VMs, two policies."""
    assert [count_of(number, "VM") for number in (0, 1, 2)] == ["0 VMs", "1 VM", "2 VMs"]
    assert count_of(2, "policy", "policies") == "2 policies"
    assert count_of(1, "policy", "policies") == "1 policy"
