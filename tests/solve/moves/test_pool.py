"""The pool of schedules found on the way to a moves curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.solve.moves.path import Mark, Path
from optimizer.solve.moves.pool import Pool, is_dearer_than_last

START = np.array([4, 4, 4])


def path(*marks: tuple[int, float], start: np.ndarray = START) -> Path:
    """A path that moves one VM after the other to 9, with a mark (moves, cost) after each of its first steps."""
    steps = [(v, 9) for v in range(len(start))]
    return Path(start, steps, [Mark(moves, cost, number) for number, (moves, cost) in enumerate(marks)])


def pool_of(*paths: Path, today: float = 10.0) -> Pool:
    """A pool of some paths."""
    pool = Pool(today)
    for one in paths:
        pool.add(one)
    return pool


def test_a_path_leads_to_the_schedule_of_each_mark() -> None:
    """The steps up to the mark are made, the later ones are not, and the start stays as it is."""
    one = path((0, 5.0), (1, 4.0), (2, 3.0))
    assert [one.options(mark).tolist() for mark in one.marks] == [[4, 4, 4], [9, 4, 4], [9, 9, 4]]
    assert START.tolist() == [4, 4, 4]


@pytest.mark.parametrize(
    ("most", "cost", "options"),
    [(0, 5.0, [4, 4, 4]), (1, 4.0, [9, 4, 4]), (2, 2.0, [7, 9, 7]), (9, 2.0, [7, 9, 7])],
)
def test_the_cheapest_schedule_within_the_moves(most: int, cost: float, options: list[int]) -> None:
    """Marks of all paths compete; a mark with more moves than allowed does not."""
    other = Path(np.array([7, 4, 7]), [(1, 9)], [Mark(2, 6.0, 0), Mark(2, 2.0, 1)])
    found = pool_of(path((0, 5.0), (1, 4.0), (2, 3.0)), other).best(most)
    assert found is not None
    assert (found[0], found[1].tolist()) == (cost, options)


def test_no_schedule_has_so_few_moves() -> None:
    """A pool whose paths all begin away from today has nothing for fewer moves."""
    assert pool_of(path((2, 3.0))).best(1) is None
    assert pool_of().best(5) is None


def test_among_equal_costs_fewer_moves_win_and_then_the_earlier_path() -> None:
    """Ties never move a VM, and do not depend on later paths."""
    first, second = path((2, 3.0), (1, 3.0)), path((1, 3.0), start=np.array([1, 1, 1]))
    found = pool_of(first, second).best(5)
    assert found is not None
    assert found[1].tolist() == [9, 4, 4]


def test_the_envelope_falls_where_more_moves_pay() -> None:
    """Marks that cost as much as one with fewer moves are left out."""
    pool = pool_of(path((3, 2.0), (1, 6.0), (2, 6.0)), path((1, 7.0), (4, 2.0), (5, 1.5)))
    assert pool.envelope() == [(1, 6.0), (3, 2.0), (5, 1.5)]


def test_gains_begin_at_today_unless_the_rules_cost_more() -> None:
    """Today's schedule, even if it breaks a rule, is the first point where it costs more than the last one."""
    marks = path((2, 6.0), (3, 4.0))
    assert pool_of(marks, today=5.0).gains() == [(0, 5.0), (2, 6.0), (3, 4.0)]
    assert pool_of(marks, today=4.0).gains() == [(2, 6.0), (3, 4.0)]
    assert pool_of(path((0, 6.0), (3, 4.0)), today=9.0).gains() == [(0, 6.0), (3, 4.0)]
    assert is_dearer_than_last(4.1, [(2, 6.0), (3, 4.0)])
    assert not is_dearer_than_last(4.0, [(2, 6.0), (3, 4.0)])


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9).map(float)), min_size=1, max_size=8), st.integers(0, 5))
def test_the_best_schedule_is_a_point_of_the_envelope(marks: list[tuple[int, float]], most: int) -> None:
    """At each number of moves, the best cost is that of the last point of the envelope that has so few moves."""
    assume(min(moves for moves, _ in marks) <= most)
    pool = Pool(10.0)
    for moves, cost in marks:
        pool.add(path((moves, cost)))
    found = pool.best(most)
    assert found is not None
    assert found[0] == [cost for moves, cost in pool.envelope() if moves <= most][-1]
    assert found[0] == min(cost for moves, cost in marks if moves <= most)
