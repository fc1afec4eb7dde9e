"""Prices of copies in cuts: what VMs pay less, what a forced option costs more, and which clashes are nested."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.solve.bound.cuts import find_cuts, is_nested
from optimizer.solve.bound.dual import dual_arrays
from optimizer.solve.bound.dual_gates import evaluate_cuts, forced_increases, less_copies
from optimizer.solve.problem.instance import Instance
from tests.solve.bound.plain_dual import starts_in_order
from tests.solve.small_instances import Shape, apart, same_start, small_instance

SEEDS = st.integers(0, 2**16)
BEFORE, AFTER = 2, 0
"""The VMs that are in order; a third one has no part in it."""


def in_order(random: np.random.Generator) -> Instance:
    """Three VMs at five random starts each, of which one has to precede another by five half hours."""
    allowed = {v: random.choice(48, 5, replace=False).tolist() for v in range(3)}
    shape = Shape(gates=apart(BEFORE, AFTER, 3, starts_in_order()))
    return small_instance([options[0] for options in allowed.values()], shape=shape, allowed=allowed)


def choices(instance: Instance) -> list[tuple[int, int]]:
    """Allowed starts of the first and of the second VM that are in order."""
    firsts, seconds = (np.flatnonzero(instance.allowed[v]).tolist() for v in (BEFORE, AFTER))
    return [(t, u) for t in firsts for u in seconds if u >= t + 5]


def split(instance: Instance, kappa: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Prices of the copy of the first VM and of that of the second."""
    of_vm = dual_arrays(instance).cuts.vm.tolist()
    return kappa[of_vm.index(BEFORE)], kappa[of_vm.index(AFTER)]


@settings(max_examples=15)
@given(SEEDS)
def test_a_cut_picks_the_cheapest_two_starts_in_order(seed: int) -> None:
    """The picked options cost the value, are in order, and no two others in order cost less."""
    random = np.random.default_rng(seed)
    instance = in_order(random)
    cuts = dual_arrays(instance).cuts
    assume(len(cuts.vm) == 2 and choices(instance))
    kappa, picked, values = random.normal(0, 1, (2, 48)), np.zeros((2, 48)), np.empty(1)
    total = evaluate_cuts(cuts, kappa, picked, values)
    first, second = split(instance, kappa)
    assert total == values[0] == pytest.approx(min(first[t] + second[u] for t, u in choices(instance)))
    at = tuple(int(np.flatnonzero(one)[0]) for one in split(instance, picked))
    assert picked.sum() == 2.0
    assert at in choices(instance)
    assert first[at[0]] + second[at[1]] == pytest.approx(total)


@settings(max_examples=15)
@given(SEEDS)
def test_a_forced_start_costs_what_the_best_answer_to_it_costs_more(seed: int) -> None:
    """For each start of either VM: the cheapest choice with it, minus the cheapest of all; 0 for the third VM."""
    random = np.random.default_rng(seed)
    instance = in_order(random)
    cuts = dual_arrays(instance).cuts
    assume(len(cuts.vm) == 2 and choices(instance))
    kappa, increase = random.normal(0, 1, (2, 48)), np.zeros((3, 48))
    forced_increases(cuts, kappa, increase)
    first, second = split(instance, kappa)
    costs = {(t, u): float(first[t] + second[u]) for t, u in choices(instance)}
    least = min(costs.values())
    for t in {t for t, _ in costs}:
        assert increase[BEFORE, t] == pytest.approx(min(c for at, c in costs.items() if at[0] == t) - least)
    for u in {u for _, u in costs}:
        assert increase[AFTER, u] == pytest.approx(min(c for at, c in costs.items() if at[1] == u) - least)
    assert not increase[1].any()
    assert not increase[~instance.allowed].any()


def test_increases_are_added_to_those_that_are_there() -> None:
    """VM 2 at 4 or 30, VM 0 at 10 or 40: at 30, only the dearer start is left to VM 0."""
    shape = Shape(gates=apart(BEFORE, AFTER, 3, starts_in_order()))
    instance = small_instance([10, 4, 4], shape=shape, allowed={0: (10, 40), 2: (4, 30)})
    cuts, kappa = dual_arrays(instance).cuts, np.zeros((2, 48))
    split(instance, kappa)[1][40] = 0.75
    increase = np.full((3, 48), 2.0)
    forced_increases(cuts, kappa, increase)
    assert increase[BEFORE, [4, 30]].tolist() == [2.0, 2.75]
    assert increase[AFTER, [10, 40]].tolist() == [2.0, 2.75]


def test_a_forced_start_leaves_the_others_on_its_side_free() -> None:
    """VM 0 at 4 could precede VM 2 at 10, but the cheap start of VM 1 is at 30, so VM 2 starts at 40 as before."""
    both_first = replace(apart(0, 2, 3, starts_in_order()), vm_begin=np.arange(4), vm_gate=np.array([0, 0, 1]))
    allowed = {0: (4, 30), 1: (4, 30), 2: (10, 40)}
    instance = small_instance([4, 4, 10], shape=Shape(gates=both_first), allowed=allowed)
    cuts, kappa, increase = dual_arrays(instance).cuts, np.zeros((3, 48)), np.zeros((3, 48))
    kappa[cuts.vm.tolist().index(1), 4], kappa[cuts.vm.tolist().index(2), 40] = 3.0, 1.0
    forced_increases(cuts, kappa, increase)
    assert increase[0, [4, 30]].tolist() == [0.0, 0.0]
    assert increase[1, [4, 30]].tolist() == [2.0, 0.0]
    assert increase[2, [10, 40]].tolist() == [2.0, 0.0]


def test_what_copies_pay_is_taken_off_their_vms() -> None:
    """VM 0 has one copy and VM 1 none; the costs that are passed in stay as they are."""
    instance = in_order(np.random.default_rng(1))
    cuts, base = dual_arrays(instance).cuts, np.full((3, 48), 5.0)
    kappa = np.arange(96.0).reshape(2, 48)
    less = less_copies(base, cuts, kappa)
    first, second = split(instance, kappa)
    assert less[BEFORE].tolist() == (5.0 - first).tolist()
    assert less[AFTER].tolist() == (5.0 - second).tolist()
    assert (less[1] == 5.0).all() and (base == 5.0).all()


def test_two_copies_of_a_vm_are_both_taken_off() -> None:
    """The VM is in two cuts, and pays for both."""
    instance = in_order(np.random.default_rng(1))
    cuts = dual_arrays(instance).cuts._replace(vm=np.array([1, 1]))
    kappa = np.stack([np.full(48, 0.5), np.full(48, 0.25)])
    assert (less_copies(np.full((3, 48), 5.0), cuts, kappa)[1] == 4.25).all()


def test_without_copies_the_costs_are_not_even_copied() -> None:
    """The same array comes back."""
    base = np.zeros((1, 48))
    assert less_copies(base, dual_arrays(small_instance([4])).cuts, np.zeros((0, 48))) is base


def test_copies_of_a_vm_are_listed_with_it() -> None:
    """One copy each of the two VMs in order, none of the third."""
    cuts = dual_arrays(in_order(np.random.default_rng(1))).cuts
    lists = [cuts.of_vm[cuts.of_vm_begin[v] : cuts.of_vm_begin[v + 1]].tolist() for v in range(3)]
    assert [[int(cuts.vm[copy]) for copy in copies] for copies in lists] == [[0], [], [2]]


@settings(max_examples=15)
@given(SEEDS)
def test_positions_have_both_options_exactly_if_they_do_not_clash(seed: int) -> None:
    """Levels of both sides against the clash itself, for all allowed starts."""
    instance = in_order(np.random.default_rng(seed))
    cuts = find_cuts(instance)
    assume(cuts)
    (cut,) = cuts
    members = cut.vms.tolist()
    levels = cut.level[members.index(BEFORE)], cut.level[members.index(AFTER)]
    turned = members[0] == AFTER
    for t in np.flatnonzero(instance.allowed[BEFORE]).tolist():
        for u in np.flatnonzero(instance.allowed[AFTER]).tolist():
            before, after = (levels[1][u], levels[0][t]) if turned else (levels[0][t], levels[1][u])
            together = any(before <= p and after <= cut.positions - 1 - p for p in range(cut.positions))
            assert together == (u >= t + 5)


def test_vms_that_may_not_start_together_have_no_cut() -> None:
    """Each start clashes with itself only, which does not nest; with one start left to one VM, it does."""
    gates = Shape(gates=apart(0, 1, 2, same_start()))
    assert find_cuts(small_instance([4, 9], shape=gates)) == []
    (cut,) = find_cuts(small_instance([4, 9], shape=gates, allowed={0: (4,)}))
    assert sorted(cut.vms.tolist()) == [0, 1]


@settings(max_examples=40)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=4))
def test_nested_means_that_any_two_rows_contain_one_another(rows: list[list[bool]]) -> None:
    """Checked for all pairs of rows, in any order."""
    matrix = np.array(rows, dtype=np.bool_)
    plain = all((one <= other).all() or (other <= one).all() for one in matrix for other in matrix)
    assert is_nested(matrix) == plain
