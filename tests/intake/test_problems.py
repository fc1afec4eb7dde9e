"""Faults are collected, and reported together with ten examples of each kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import DataError
from optimizer.intake.problems import SHOWN, Problems, list_columns, name_columns


def message(problems: Problems) -> str:
    with pytest.raises(DataError) as refused:
        problems.raise_any()
    return str(refused.value)


def test_no_fault_raises_nothing() -> None:
    """Without a fault there is no error, and the collection is false."""
    problems = Problems("vms.csv")
    problems.raise_any()
    assert not problems


def test_faults_are_grouped_by_kind() -> None:
    """Kinds come in order of their first fault, and faults in order of occurrence."""
    problems = Problems("vms.csv")
    problems.add("b", "line 1")
    problems.add("a", "line 2")
    problems.add("b", "line 3")
    assert problems
    assert message(problems) == (
        "vms.csv cannot be used; nothing was written\n  b:\n    line 1\n    line 3\n  a:\n    line 2"
    )


def test_the_eleventh_fault_is_counted() -> None:
    """Ten faults of a kind are listed, and the others counted."""
    problems = Problems("f")
    for number in range(SHOWN + 3):
        problems.add("kind", f"line {number}")
    assert message(problems).endswith("line 9\n    ... and 3 more")


def test_faults_about_one_object_are_one_example() -> None:
    """Of several faults about one object the first is listed, with the number of the others."""
    problems = Problems("f")
    problems.add("kind", "VM a at 00:00", about="a")
    problems.add("kind", "VM a at 00:05", 3, about="a")
    problems.add("kind", "VM b at 00:00", about="b")
    text = message(problems)
    assert "VM a at 00:00 (3 more like this)" in text and "VM b at 00:00" in text and "00:05" not in text


def test_faults_that_were_counted_elsewhere() -> None:
    """Examples may be added without counting them, and their number stated afterward."""
    problems = Problems("f")
    problems.add("kind", "line 1", 0)
    problems.count("kind", 1500)
    assert message(problems).endswith("line 1\n    ... and 1,499 more")


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from([None, "x", "y"])), min_size=1, max_size=30))
def test_every_fault_is_listed_or_counted(faults: list[tuple[int, str | None]]) -> None:
    """The numbers in the message add up to the number of faults."""
    problems = Problems("f")
    for count, about in faults:
        problems.add("kind", "fault", count, about=about)
    listed = 0
    for line in message(problems).splitlines()[2:]:
        more = next((int(word.strip("(")) for word in line.split() if word.strip("(").isdigit()), 0)
        listed += more if line.strip().startswith("...") else 1 + more
    assert listed == sum(count for count, _ in faults)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], "none"),
        (["vm", "ts"], "vm, ts"),
        (["x" * 41], "x" * 40 + "..."),
        (["x" * 40], "x" * 40),
        ([f"c{number}" for number in range(22)], ", ".join(f"c{number}" for number in range(20)) + " and 2 more"),
        (['{"id": 1', "b"], "'{\"id\": 1', which looks like JSON: give that with --resources"),
        (["[", "b"], "'[', which looks like JSON: give that with --resources"),
    ],
)
def test_columns_are_listed_shortly(names: list[str], expected: str) -> None:
    """Long names and many names are cut off; a file that is JSON is recognized by its first column."""
    assert list_columns(names) == expected


def test_columns_in_a_sentence() -> None:
    """One column is singular, several are plural."""
    assert name_columns(["a"]) == "the column a"
    assert name_columns(["a", "b"]) == "the columns a, b"
