"""Bounds on schedules in which one VM starts at one time, against every schedule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.solve.bound.ascent import ascend, forced_bounds
from optimizer.solve.bound.forced import sharp_forced_bounds
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance, WriteLimit
from tests.solve.small_instances import Row, Shape, every_schedule, priced, small_instance

STARTS = (4, 9, 20)


def true_forced(instance: Instance) -> np.ndarray:
    """Cost of the cheapest schedule with each VM at each start; infinite where there is none."""
    found = np.full((instance.num_vms, 48), np.inf)
    for options in every_schedule(instance):
        if is_feasible(instance, options):
            rows = np.arange(instance.num_vms)
            found[rows, options] = np.minimum(found[rows, options], evaluate(instance, options).total)
    return found


def test_an_option_that_is_not_allowed_has_no_schedule() -> None:
    """Its bound is infinite, and only its."""
    instance = small_instance([4, 4], allowed={0: [4, 9]})
    bounds = sharp_forced_bounds(instance, ascend(instance, 20).best)
    assert np.isfinite(bounds[0]).nonzero()[0].tolist() == [4, 9]
    assert np.isfinite(bounds[1]).all()


def test_alone_a_vm_is_bounded_by_its_own_price() -> None:
    """Without anything shared, the bound of an option is its price plus the best of the other VM."""
    instance = small_instance([4, 4], priced(2, {(0, 4): 3.0, (0, 9): 1.0, (1, 4): 2.0}))
    bounds = sharp_forced_bounds(instance, ascend(instance, 60).best)
    assert bounds[0, [4, 9]].tolist() == pytest.approx([5.0, 3.0], abs=0.05)
    assert bounds[1, [4, 9]].tolist() == pytest.approx([3.0, 10.0], abs=0.05)


def test_an_empty_start_costs_its_policy() -> None:
    """VM 0 at 9 needs a policy there, unless VM 1 needs it anyway."""
    prices = {(v, t): 0.0 for v in range(2) for t in (4, 9)}
    for today, price in (([4, 4], 2.0), ([4, 9], 0.0)):
        instance = small_instance(today, priced(2, prices), shape=Shape(write_price=2.0))
        bounds = sharp_forced_bounds(instance, ascend(instance, 60).best)
        assert bounds[0, 9] == pytest.approx(price, abs=0.05)


def test_it_looks_into_the_cells_that_lose_the_vm() -> None:
    """Multipliers under which a VM with one good start is worth nearly as much as its second best start.

    The reduced cost of the other start is then small, although going there costs a lot.
    """
    instance = small_instance([4, 4], priced(2, {(v, 4): 0.0 for v in range(2)}))
    at = ascend(instance, 60).best.copy()
    at.lam[:] = 8.5
    plain, sharp = forced_bounds(instance, at), sharp_forced_bounds(instance, at)
    assert plain[0, 9] < 1.0
    assert sharp[0, 9] == pytest.approx(9.0, abs=0.05)


@settings(max_examples=20)
@given(st.data())
def test_no_schedule_costs_less_than_its_bound(data: st.DataObject) -> None:
    """Rows of each kind, small policies, few moves and writes, VMs of overfull policies; at any multipliers."""
    prices = {(v, t): data.draw(st.sampled_from([0.0, 1.0, 2.5])) for v in range(3) for t in STARTS}
    rows = [
        Row((0, 1), (9, 20), pair_price=0.7),
        Row((0, 1, 2), (9,), peak_price=0.6, fair_share=1),
        Row((1, 2), (4, 20), cap=1),
    ]
    shape = Shape(
        key=data.draw(st.sampled_from([[0, 0, 0], [0, 0, 1]])),
        key_vault=(0, 0),
        service=[0, 0, 1],
        per_new=1,
        per_old=2,
        write_price=0.4,
        uncounted=data.draw(st.sampled_from([(), (0,)])),
        max_moves=data.draw(st.sampled_from([None, 1, 2])),
        write_limits=(WriteLimit("few", (0,), data.draw(st.integers(0, 3))),),
    )
    instance = small_instance([4, 4, 9], priced(3, prices), rows, shape, dict.fromkeys(range(3), STARTS))
    at = ascend(instance, data.draw(st.sampled_from([1, 30]))).best.copy()
    at.lam += data.draw(st.sampled_from([-0.5, 0.0, 0.8]))
    sharp, best = sharp_forced_bounds(instance, at), true_forced(instance)
    assert (sharp <= best + 1e-6).all()
    assert (sharp >= forced_bounds(instance, at)).all()
