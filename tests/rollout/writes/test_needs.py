"""Writes that are made even if the journal does not say so."""

from __future__ import annotations

from dataclasses import replace

from optimizer.journal import DoneRecord, state_of
from optimizer.rollout.writes.needs import surely_made, with_what_they_need
from tests.rollout.small_rollouts import NOW, intent_of, item_write


def write(number: int, *needs: int):  # type: ignore[no-untyped-def]  # a write
    return replace(item_write(f"vm{number}", "23:00", "02:00", number), needs=needs)


CHAIN = [write(1), write(2, 1), write(3, 2), write(4)]


def test_a_write_is_made_with_everything_that_it_needs() -> None:
    """Needs are followed to their end, and writes outside the list count as well."""
    assert with_what_they_need([3], CHAIN) == {1, 2, 3}
    assert with_what_they_need([4, 9], CHAIN) == {4, 9}
    assert with_what_they_need([], CHAIN) == frozenset()


def test_what_a_begun_write_needs_is_made_but_not_the_write_itself() -> None:
    """A write is begun only when all that it needs is made; whether it took effect itself is not known."""
    done = DoneRecord(number=4, at=NOW, how="written", after=None)
    assert surely_made(state_of([done, intent_of(CHAIN[2])]), CHAIN) == {1, 2, 4}
