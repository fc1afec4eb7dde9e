"""The plan that a change makes possible, described."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.instance import Instance
from optimizer.solve.why_not.effects import effect_of_plan
from tests.solve.small_instances import Row, Shape, priced, small_instance

SEARCH = Search(effort=2)
NO_TIME = Search(effort=2, time_limit_seconds=0.0)


def crowded() -> Instance:
    """Two VMs at 4 under a cap of one; VM 1 would lose 1 at 9, VM 0 much."""
    prices = {(0, 4): 2.0, (1, 4): 1.0, (1, 9): 2.0}
    shape = Shape(move_price=0.25, write_price=0.5)
    return small_instance([4, 4], priced(2, prices), [Row((0, 1), (4,), cap=1)], shape)


def test_the_plan_is_described() -> None:
    """VM 1 moves to 9, where a policy is written: cost is risk, move and policy."""
    effect = effect_of_plan(crowded(), SEARCH)
    assert effect is not None
    assert (effect.moved, effect.writes) == (1, 1)
    assert effect.at_risk == pytest.approx(4.0)
    assert effect.cost == pytest.approx(4.75)
    assert effect.overlaps == 0.0


def test_without_a_schedule_there_is_no_effect() -> None:
    """Nothing fits under a cap of zero."""
    impossible = small_instance([4], rows=[Row((0,), range(48), cap=0)])
    assert effect_of_plan(impossible, SEARCH) is None


def test_without_time_the_known_schedule_is_described() -> None:
    """It is not the best one; one that breaks a limit, or none, is no plan."""
    effect = effect_of_plan(crowded(), NO_TIME, np.array([4, 20]))
    assert effect is not None
    assert effect.at_risk == pytest.approx(11.0)
    assert effect.moved == 1
    assert effect_of_plan(crowded(), NO_TIME) is None


def test_the_search_does_not_settle_for_the_known_schedule() -> None:
    """A worse one does not change the plan."""
    effect = effect_of_plan(crowded(), SEARCH, np.array([4, 20]))
    assert effect is not None
    assert effect.cost == pytest.approx(4.75)
