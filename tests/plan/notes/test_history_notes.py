"""Notes on earlier months."""

from __future__ import annotations

import pytest

from optimizer.documents import HistorySource
from optimizer.model.rules import Prices
from optimizer.plan.notes.history_notes import notes_on_history, notes_on_recent_moves


def source(file: str, moves: int, in_force: int, recent: int, **more: object) -> HistorySource:
    return HistorySource.model_validate(
        {"file": file, "kind": "journal", "moves": moves, "in_force": in_force, "recent": recent, **more}
    )


def test_one_journal_is_named_and_several_are_added_up() -> None:
    """Moves, those in force, and those that count as recent."""
    one, other = source("a.jsonl", 5, 4, 1), source("b.jsonl", 2, 2, 2)
    assert list(notes_on_history([one])) == ["history: 4 of the 5 moves of a.jsonl are in force; 1 counts as recent"]
    assert list(notes_on_history([one, other])) == [
        "history: 6 of the 7 moves of 2 journals are in force; 3 count as recent"
    ]


def test_a_journal_without_a_move_is_said_to_have_none() -> None:
    """Nothing is in force, and nothing can be recent."""
    assert list(notes_on_history([source("a.jsonl", 0, 0, 0)])) == ["history: a.jsonl: no move was made yet"]


@pytest.mark.parametrize(
    ("in_force", "known", "expected"),
    [
        (3, 0, "history: 3 of the 3 moves of p.json are in force; none counts as recent"),
        (0, 0, "history: 0 of the 3 moves of p.json are in force (was it applied?); none counts as recent"),
        (3, 2, "history: 3 of the 3 moves of p.json are in force, and it knew of 2 earlier; none counts as recent"),
    ],
)
def test_each_plan_has_a_note_of_its_own(in_force: int, known: int, expected: str) -> None:
    """A plan of which nothing is in force may not have been applied."""
    plan = source("p.json", 3, in_force, 0, kind="plan", known_before=known)
    assert list(notes_on_history([plan])) == [expected]


def test_what_another_move_costs_is_stated_where_vms_moved() -> None:
    """Without recent moves there is nothing to state."""
    prices = Prices(move=0.1, move_recent=2, recent_days=60)
    assert list(notes_on_recent_moves(0, prices)) == []
    assert list(notes_on_recent_moves(1, prices)) == [
        "1 VM was moved in the 60 days before the estate was taken: to move one again costs 2 instead of 0.1"
    ]
    assert next(iter(notes_on_recent_moves(12, prices))).startswith("12 VMs were moved")
