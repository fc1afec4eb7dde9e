"""Services that are placed together: all placements tried, and which services and prices these are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.arrays import FloatArray, IntArray
from optimizer.solve.bound.ascent import dual_value, evaluate
from optimizer.solve.bound.dual import Multipliers, dual_arrays, empty_answer
from optimizer.solve.bound.dual_services import Placement, ServiceArrays, evaluate_services
from optimizer.solve.problem import cost
from optimizer.solve.problem.instance import Instance
from tests.solve.small_instances import NUM_STARTS, Row, Shape, every_schedule, small_instance

SEEDS = st.integers(0, 2**16)
FIRST_ROW = 2


@dataclass(frozen=True)
class Services:
    """Services as kinds of their VMs, with random prices of pairs by kinds and starts, and few usable starts."""

    kinds: tuple[tuple[int, ...], ...]
    prices: tuple[FloatArray, ...]
    usable: tuple[np.ndarray, ...]

    def arrays(self) -> ServiceArrays:
        """The services as compiled code reads them."""
        num_kinds = [len(usable) for usable in self.usable]
        return ServiceArrays(
            vm_begin=np.cumsum([0] + [len(kinds) for kinds in self.kinds], dtype=np.int64),
            vm_kind=np.array([kind for kinds in self.kinds for kind in kinds], dtype=np.int64),
            kind_begin=np.cumsum([0, *num_kinds], dtype=np.int64),
            usable=np.concatenate(self.usable),
            pair_begin=np.cumsum([0] + [prices.size for prices in self.prices], dtype=np.int64),
            pair_price=np.concatenate([prices.ravel() for prices in self.prices]),
            first_row=np.array([FIRST_ROW]),
            size=np.zeros(0, dtype=np.int64),
        )

    def num_rows(self) -> int:
        """Number of rows, with the extra ones."""
        return FIRST_ROW + NUM_STARTS * sum(len(usable) for usable in self.usable)

    def first_row(self, number: int) -> int:
        """First extra row of a service."""
        return FIRST_ROW + NUM_STARTS * sum(len(usable) for usable in self.usable[:number])

    def cost(self, number: int, starts: tuple[int, ...], mu: FloatArray, alpha: FloatArray) -> float:
        """Cost of the starts of a service: pairs, less the share of those of one kind and start, less the prices."""
        kinds, first, total = self.kinds[number], self.first_row(number), 0.0
        for p, t in enumerate(starts):
            total -= mu[first + NUM_STARTS * kinds[p] + t]
            for q in range(p):
                pair = self.prices[number][kinds[p], kinds[q], t, starts[q]]
                twins = kinds[p] == kinds[q] and t == starts[q]
                total += pair * (1 - alpha[first + NUM_STARTS * kinds[p] + t] if twins else 1.0)
        return float(total)

    def placements(self, number: int) -> itertools.product[tuple[int, ...]]:
        """All choices of usable starts of the VMs of a service."""
        return itertools.product(*(np.flatnonzero(self.usable[number][kind]).tolist() for kind in self.kinds[number]))


def random_services(random: np.random.Generator, *kinds: tuple[int, ...], num_usable: int = 4) -> Services:
    """Services with the given kinds of VMs; prices of pairs are the same in either order."""
    prices, usable = [], []
    for of_vms in kinds:
        number = max(of_vms) + 1
        one_way = random.choice([0.0, 0.4, 1.0, 1.7], (number, number, NUM_STARTS, NUM_STARTS))
        prices.append((one_way + one_way.transpose(1, 0, 3, 2)) / 2)
        open_to = np.zeros((number, NUM_STARTS), dtype=np.bool_)
        for kind in range(number):
            open_to[kind, random.choice(NUM_STARTS, num_usable, replace=False)] = True
        usable.append(open_to)
    return Services(kinds, tuple(prices), tuple(usable))


def placement(services: Services, starts: IntArray) -> Placement:
    """An empty result that begins at some starts."""
    rows = services.num_rows()
    return Placement(np.zeros(rows), np.zeros(rows), np.empty(len(services.kinds)), starts)


def drawn(random: np.random.Generator, services: Services) -> tuple[FloatArray, FloatArray]:
    """Random prices and shares of all rows."""
    return random.uniform(0, 2, services.num_rows()), random.uniform(0, 1, services.num_rows())


@settings(max_examples=10)
@given(SEEDS)
def test_no_placement_is_cheaper_than_the_value_of_its_service(seed: int) -> None:
    """Three services of three and four VMs of one to three kinds, each against all of its placements."""
    random = np.random.default_rng(seed)
    services = random_services(random, (0, 0, 0), (0, 0, 1, 1), (0, 1, 2))
    mu, alpha = drawn(random, services)
    found = placement(services, np.zeros(10, dtype=np.int64))
    total = evaluate_services(services.arrays(), mu, alpha, found, True)
    plain = [min(services.cost(n, starts, mu, alpha) for starts in services.placements(n)) for n in range(3)]
    assert found.values.tolist() == pytest.approx(plain)
    assert total == pytest.approx(sum(plain))


@settings(max_examples=10)
@given(SEEDS)
def test_the_starts_found_cost_the_value_and_are_counted(seed: int) -> None:
    """Each VM is subtracted from its row once, and each pair of one kind and start with its price."""
    random = np.random.default_rng(seed)
    services = random_services(random, (0, 0, 0, 1), num_usable=3)
    mu, alpha = drawn(random, services)
    mu[FIRST_ROW + int(np.flatnonzero(services.usable[0][0])[0])] += 2.0  # worth sharing
    found = placement(services, np.zeros(4, dtype=np.int64))
    evaluate_services(services.arrays(), mu, alpha, found, True)
    starts = tuple(found.starts.tolist())
    assert services.cost(0, starts, mu, alpha) == pytest.approx(found.values[0])
    met, pairs = np.zeros(len(mu)), np.zeros(len(mu))
    for p, (kind, t) in enumerate(zip(services.kinds[0], starts, strict=True)):
        met[FIRST_ROW + NUM_STARTS * kind + t] -= 1
        twins = sum(services.kinds[0][q] == kind and starts[q] == t for q in range(p))
        pairs[FIRST_ROW + NUM_STARTS * kind + t] -= twins * services.prices[0][kind, kind, t, t]
    assert found.met.tolist() == met.tolist()
    assert found.pairs == pytest.approx(pairs)


@settings(max_examples=10)
@given(SEEDS)
def test_the_search_finds_the_same_value_wherever_it_begins(seed: int) -> None:
    """From starts that are not usable, from random usable ones, and from the cheapest ones themselves."""
    random = np.random.default_rng(seed)
    services = random_services(random, (0, 0, 1, 2))
    mu, alpha = drawn(random, services)
    usable = [random.choice(np.flatnonzero(services.usable[0][kind])) for kind in services.kinds[0]]
    cold, warm = placement(services, np.zeros(4, dtype=np.int64)), placement(services, np.array(usable))
    evaluate_services(services.arrays(), mu, alpha, cold, True)
    evaluate_services(services.arrays(), mu, alpha, warm, True)
    again = placement(services, cold.starts.copy())
    evaluate_services(services.arrays(), mu, alpha, again, True)
    assert [warm.values[0], again.values[0]] == pytest.approx([cold.values[0]] * 2)
    assert again.starts.tolist() == cold.starts.tolist()


@settings(max_examples=10)
@given(SEEDS)
def test_without_a_search_the_starts_stay_and_are_priced(seed: int) -> None:
    """The value is that of the given starts."""
    random = np.random.default_rng(seed)
    services = random_services(random, (0, 0, 1), (0, 0, 0, 0))
    mu, alpha = drawn(random, services)
    starts = [next(itertools.islice(services.placements(n), 5, None)) for n in range(2)]
    kept = placement(services, np.array([*starts[0], *starts[1]]))
    total = evaluate_services(services.arrays(), mu, alpha, kept, False)
    assert kept.starts.tolist() == [*starts[0], *starts[1]]
    plain = [services.cost(n, starts[n], mu, alpha) for n in range(2)]
    assert kept.values.tolist() == pytest.approx(plain)
    assert total == pytest.approx(sum(plain))


def test_a_kind_with_one_usable_start_stays_there_at_any_price() -> None:
    """All other starts are worth more to it, but not usable."""
    services = random_services(np.random.default_rng(0), (0, 0, 1))
    services.usable[0][1] = np.arange(NUM_STARTS) == 30
    mu = np.full(services.num_rows(), 5.0)
    mu[FIRST_ROW + NUM_STARTS + 30] = 0.0
    found = placement(services, np.zeros(3, dtype=np.int64))
    evaluate_services(services.arrays(), mu, np.zeros(len(mu)), found, True)
    assert found.starts[2] == 30


@pytest.mark.parametrize(("share", "value"), [(0.0, -6.0 + 3.0), (0.5, -6.0 + 1.5), (1.0, -6.0)])
def test_cells_pay_a_share_of_pairs_of_one_kind_and_start(share: float, value: float) -> None:
    """Three VMs share a start that is worth 2 to each; a pair costs 1, less the share that the cells pay."""
    one = np.ones((1, 1, NUM_STARTS, NUM_STARTS))
    services = Services(((0, 0, 0),), (one,), (np.arange(NUM_STARTS)[None, :] == 7,))
    mu, alpha = np.full(services.num_rows(), 2.0), np.full(services.num_rows(), share)
    found = placement(services, np.zeros(3, dtype=np.int64))
    assert evaluate_services(services.arrays(), mu, alpha, found, True) == pytest.approx(value)
    assert found.pairs[FIRST_ROW + 7] == -3.0


def test_pairs_of_two_kinds_at_one_start_are_paid_in_full() -> None:
    """Whatever the share, because two kinds are no peers of one cell."""
    one = np.ones((3, 3, NUM_STARTS, NUM_STARTS))
    services = Services(((0, 1, 2),), (one,), (np.repeat(np.arange(NUM_STARTS)[None, :] == 7, 3, axis=0),))
    none = np.zeros(services.num_rows())
    found = placement(services, np.zeros(3, dtype=np.int64))
    assert evaluate_services(services.arrays(), none, none + 1.0, found, True) == pytest.approx(3.0)
    assert not found.pairs.any()


def crowd(
    num_vms: int, rows: list[Row] | None = None, starts: tuple[int, ...] = (4, 9), price: float = 1.0
) -> Instance:
    """VMs of one service that all overlap at all of their starts, unless other rows are given."""
    met = [Row(range(num_vms), range(NUM_STARTS), pair_price=price)] if rows is None else rows
    return small_instance([4] * num_vms, rows=met, shape=Shape(), allowed=dict.fromkeys(range(num_vms), starts))


def at_zero(instance: Instance) -> Multipliers:
    """Multipliers that are all 0."""
    d = dual_arrays(instance)
    none = np.zeros(len(d.pair_price))
    return Multipliers(np.zeros(len(d.today)), none, none.copy(), 0.0, np.zeros(len(d.group_limit)), np.zeros((0, 48)))


@pytest.mark.parametrize(("num_vms", "placed"), [(2, 0), (3, 3), (4, 4), (5, 0)])
def test_services_of_three_and_four_vms_are_placed(num_vms: int, placed: int) -> None:
    """All of them overlap at every start; smaller and larger services keep their rows."""
    assert len(dual_arrays(crowd(num_vms)).services.vm_kind) == placed


def test_overlaps_without_a_price_are_left_to_the_rows() -> None:
    """Nothing is gained by placing VMs that overlap for nothing."""
    assert not len(dual_arrays(crowd(3, price=0.0)).services.vm_kind)


def test_one_more_separate_start_keeps_the_rows() -> None:
    """Three VMs overlap at two starts that are rows of their own, and need not at three."""
    rows = [Row(range(3), (t,), pair_price=1.0) for t in (4, 9, 20)]
    rows.append(Row(range(3), [t for t in range(NUM_STARTS) if t not in (4, 9, 20)], pair_price=1.0))
    assert len(dual_arrays(crowd(3, rows, (4, 9))).services.vm_kind) == 3
    assert not len(dual_arrays(crowd(3, rows, (4, 9, 20))).services.vm_kind)


def test_vms_that_cannot_spread_in_the_order_tried_first_are_looked_at_again() -> None:
    """VM 0 begins with one of the two starts that VMs 1 and 2 need, but could take another."""
    rows = [Row(range(3), (t,), pair_price=1.0) for t in (4, 9, 20)]
    rest = [t for t in range(NUM_STARTS) if t not in (4, 9, 20)]
    rows += [Row((0,), rest, pair_price=1.0), Row((1, 2), rest, pair_price=1.0)]
    instance = small_instance([4] * 3, rows=rows, allowed={0: (4, 9), 1: (4, 20), 2: (4, 20)})
    assert not len(dual_arrays(instance).services.vm_kind)


def test_extra_rows_replace_those_of_the_service() -> None:
    """At every start, a VM is in the extra row of its kind; the row of a cap stays beside it."""
    rows = [Row(range(3), range(NUM_STARTS), pair_price=1.5), Row((0,), (9,), cap=1)]
    d = dual_arrays(crowd(3, rows))
    touched = [d.touched[d.touched_begin[at] : d.touched_begin[at + 1]].tolist() for at in range(3 * NUM_STARTS)]
    assert touched[4] == [2 + 4]
    assert sorted(touched[9]) == [1, 2 + 9]
    assert touched[NUM_STARTS + 9] == [2 + 9]
    assert d.pair_price[2:].tolist() == [1.5] * NUM_STARTS
    assert d.services.size.tolist() == [3] * NUM_STARTS
    assert (d.most[2:] == 0).all()


def test_pairs_of_kinds_cost_the_rows_that_both_touch() -> None:
    """VM 0 is in one row and the others in two: the price of a pair is the sum over the rows that they share."""
    rows = [Row(range(3), range(NUM_STARTS), pair_price=1.0), Row((1, 2), range(10), pair_price=0.25)]
    d = dual_arrays(crowd(3, rows))
    place, services = NUM_STARTS + 4, d.services
    assert d.touched[d.touched_begin[place] : d.touched_begin[place + 1]].tolist() == [2 + NUM_STARTS + 4]
    assert services.vm_kind.tolist() == [0, 1, 1]
    pair = services.pair_price.reshape(2, 2, NUM_STARTS, NUM_STARTS)
    assert (pair[0, 0, 4, 9], pair[0, 1, 4, 4], pair[1, 0, 4, 4]) == (1.0, 1.0, 1.0)
    assert (pair[1, 1, 4, 9], pair[1, 1, 4, 20], pair[1, 1, 20, 30]) == (1.25, 1.0, 1.0)
    assert services.size.reshape(2, NUM_STARTS)[:, 0].tolist() == [1, 2]


def test_a_kind_may_start_where_any_of_its_vms_may() -> None:
    """One VM at 4 or 9 and two at 9 or 20 are of one kind."""
    rows = [Row(range(3), range(NUM_STARTS), pair_price=1.0)]
    instance = small_instance([9] * 3, rows=rows, allowed={0: (4, 9), 1: (9, 20), 2: (9, 20)})
    assert np.flatnonzero(dual_arrays(instance).services.usable[0]).tolist() == [4, 9, 20]


@pytest.mark.parametrize(("num_vms", "pairs"), [(3, 1), (4, 2)])
def test_at_zero_the_bound_is_the_fewest_pairs(num_vms: int, pairs: int) -> None:
    """Two starts for three or four VMs: the most even placement, which rows alone would not see at these prices."""
    rest = [t for t in range(NUM_STARTS) if t not in (4, 9)]
    rows = [Row(range(num_vms), starts, pair_price=1.0) for starts in ((4,), (9,), rest)]
    instance = crowd(num_vms, rows)
    assert dual_value(dual_arrays(instance), at_zero(instance)) == pytest.approx(pairs, abs=1e-5)


@settings(max_examples=10)
@given(SEEDS)
def test_no_schedule_is_cheaper_than_the_value_with_a_placed_service(seed: int) -> None:
    """At random multipliers, with VMs of two kinds and a fourth VM of another service."""
    random = np.random.default_rng(seed)
    rows = [Row(range(3), range(NUM_STARTS), pair_price=0.8), Row((1, 2), (4, 9), pair_price=0.5)]
    shape = Shape(service=(0, 0, 0, 1), max_moves=2, write_price=0.2)
    linear = random.uniform(0, 2, (4, NUM_STARTS))
    instance = small_instance([4] * 4, linear, rows, shape, dict.fromkeys(range(4), (4, 9, 20)))
    d, at = dual_arrays(instance), at_zero(instance)
    assert len(d.services.vm_kind) == 3
    at.lam, at.sigma = random.uniform(0, 3, 4), float(random.uniform(0, 1))
    at.mu, at.alpha = random.uniform(0, 1, (2, len(at.mu)))
    costs = [cost.evaluate(instance, o).total for o in every_schedule(instance) if cost.is_feasible(instance, o)]
    assert dual_value(d, at) <= min(costs)


def test_a_step_without_a_search_is_never_below_the_value() -> None:
    """The starts of the step before cost at least as much as the cheapest ones, and stay in the answer."""
    random, instance = np.random.default_rng(4), crowd(3)
    d, answer = dual_arrays(instance), empty_answer(dual_arrays(instance))
    at = at_zero(instance)
    evaluate(d, at, answer)
    for _ in range(10):
        at.mu = random.uniform(0, 1, len(at.mu))
        before = answer.placed.tolist()
        kept = evaluate(d, at, answer, exact=False)
        assert answer.placed.tolist() == before
        assert kept >= evaluate(d, at, answer) - 1e-12
