"""Orders of assignments in which each VM finds room, for rings and chains."""

from __future__ import annotations

import pytest

from optimizer.ordering.trails import Move, order_of_moves


def is_possible(moves: list[Move], room: dict[object, int], order: list[int]) -> bool:
    """Whether each VM finds room when they go in this order."""
    left, by_row = dict(room), {move.row: move for move in moves}
    for row in order:
        move = by_row[row]
        if left.get(move.after, 0) <= 0:
            return False
        left[move.after] -= 1
        if move.before is not None:
            left[move.before] = left.get(move.before, 0) + 1
    return True


@pytest.mark.parametrize(
    ("moves", "room"),
    [
        ([Move(0, "a", "b"), Move(1, "b", "c")], {"c": 1}),
        ([Move(0, "a", "b"), Move(1, "b", "a")], {"a": 1}),
        ([Move(0, "a", "b"), Move(1, "b", "c"), Move(2, "c", "a")], {"b": 1}),
        ([Move(0, "a", "b"), Move(1, "b", "c"), Move(2, "c", "b"), Move(3, None, "d")], {"b": 1, "d": 1}),
    ],
)
def test_every_vm_goes_in_an_order_that_needs_no_more_room_than_there_is(
    moves: list[Move], room: dict[object, int]
) -> None:
    """Chains begin at their end, rings at a cell with room."""
    order = order_of_moves(moves, room)
    assert sorted(order) == [move.row for move in moves]
    assert is_possible(moves, room, order)


def test_a_ring_without_room_is_left_out() -> None:
    """Two full cells cannot exchange VMs; a chain beside them goes all the same."""
    ring = [Move(0, "a", "b"), Move(1, "b", "a")]
    assert order_of_moves(ring, {}) == []
    assert order_of_moves([*ring, Move(2, "c", "d")], {"d": 1}) == [2]
