"""Bounds on schedules in which one VM starts at one time, against every schedule."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

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


def cell_value(
    instance: Instance, lam: np.ndarray, charge: float, t: int, barred: Iterable[int], forced: int
) -> float:
    """Minimum value of a start over all sets of VMs, without the barred VMs, with the forced one (-1 for none)."""
    vms = [v for v in range(instance.num_vms) if v not in set(barred)]
    values = []
    for size in range(len(vms) + 1):
        for taken in itertools.combinations(vms, size):
            if forced in (-1, *taken):
                own = sum(float(instance.linear[v, t] - lam[v]) for v in taken)
                values.append(own + charge * size * (size - 1) / 2)
    return min(values)


@settings(max_examples=8)
@given(st.data())
def test_peers_that_share_a_row_are_bounded_as_if_all_sets_of_them_were_tried(data: st.DataObject) -> None:
    """With the whole price of pairs charged to the cells, each cell loses or takes a VM at its true cost."""
    num_vms, price = 4, data.draw(st.sampled_from([0.5, 1.5]))
    costs = {(v, t): data.draw(st.sampled_from([0.0, 1.0, 2.5])) for v in range(num_vms) for t in STARTS}
    rows = [Row(range(num_vms), (t,), pair_price=price) for t in (9, 20)]
    allowed = dict.fromkeys(range(num_vms), STARTS)
    instance = small_instance([4] * num_vms, priced(num_vms, costs, 50.0), rows, allowed=allowed)
    at = ascend(instance, 1).best.copy()
    at.alpha[:], at.mu[:] = 1.0, 0.0
    at.lam[:] = [data.draw(st.sampled_from([0.0, 1.25, 3.0])) for _ in range(num_vms)]
    charge = {4: 0.0, 9: price, 20: price}
    rho = {t: cell_value(instance, at.lam, charge[t], t, (), -1) for t in STARTS}
    sharp = sharp_forced_bounds(instance, at)
    for v, t in itertools.product(range(num_vms), STARTS):
        others = sum(cell_value(instance, at.lam, charge[u], u, (v,), -1) for u in STARTS if u != t)
        with_it = cell_value(instance, at.lam, charge[t], t, (), v)
        assert sharp[v, t] == pytest.approx(at.lam.sum() + others + with_it, abs=1e-5)
    assert sum(rho.values()) + at.lam.sum() <= sharp[:, list(STARTS)].min() + 1e-5


def test_a_vm_that_leaves_lowers_the_rank_of_the_vms_behind_it() -> None:
    """At 9, VMs cost -6, -5 and -4, and the second and third pay 1 and 2 for pairs: -6 - 4 - 2 = -12.

    Without the first VM the others are worth -5 - 3 = -8, without the second -6 - 3 = -9, and without the third
    -6 - 4 = -10. A VM costs 7 at 4, less its value of 6, 5 or 4. The values add up to 15, so the bound is 3.
    """
    prices = {(v, 9): 0.0 for v in range(3)} | {(v, 4): 7.0 for v in range(3)}
    rows = [Row(range(3), (9,), pair_price=1.0)]
    instance = small_instance([4, 4, 4], priced(3, prices, 50.0), rows, allowed=dict.fromkeys(range(3), (4, 9)))
    at = ascend(instance, 1).best.copy()
    at.alpha[:], at.mu[:] = 1.0, 0.0
    at.lam[:] = [6.0, 5.0, 4.0]
    sharp = sharp_forced_bounds(instance, at)
    assert sharp[:, 9].tolist() == pytest.approx([3.0] * 3, abs=1e-5)
    assert sharp[:, 4].tolist() == pytest.approx([15 - 8 + 1, 15 - 9 + 2, 15 - 10 + 3], abs=1e-5)
