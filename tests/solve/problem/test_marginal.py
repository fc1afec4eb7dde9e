"""Costs of one VM at each start, against whole schedules, and what keeps a VM from a start."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.solve.problem.cost import evaluate
from optimizer.solve.problem.instance import WriteLimit
from optimizer.solve.problem.limits import MAX_MOVES, POLICIES_PER_VAULT, Limit, LimitKind
from optimizer.solve.problem.marginal import Marginals
from tests.solve.examples import Problem, problems
from tests.solve.small_instances import Row, Shape, apart, priced, same_start, small_instance


@settings(max_examples=15)
@given(problems(), st.data())
def test_differences_are_those_of_whole_schedules(problem: Problem, data: st.DataObject) -> None:
    """Moving one VM changes each term by what its marginal costs say; only the order of writes is left out."""
    instance = problem.instance()
    options = np.array(data.draw(st.lists(st.integers(0, 47), min_size=instance.num_vms, max_size=instance.num_vms)))
    v, t = data.draw(st.integers(0, instance.num_vms - 1)), data.draw(st.integers(0, 47))
    costs, moved = Marginals(instance, options).of(v), options.copy()
    moved[v] = t
    before, after = evaluate(instance, options), evaluate(instance, moved)
    for name in ("risk", "overlap", "vault_peak", "working_hours"):
        term = getattr(costs, name)
        assert term[t] - term[options[v]] == pytest.approx(getattr(after, name) - getattr(before, name), abs=1e-9)
    assert costs.move[t] - costs.move[options[v]] == pytest.approx(after.moves - before.moves, abs=1e-9)


def test_a_row_costs_its_pairs_with_the_others() -> None:
    """Two others are in the row at start 5; VM 0 itself does not count."""
    row = Row(vms=(0, 1, 2), starts=(5, 6), pair_price=0.5)
    made = small_instance([4, 4, 4], rows=[row])
    costs = Marginals(made, np.array([5, 5, 6])).of(0)
    assert costs.overlap[[4, 5, 6]].tolist() == pytest.approx([0.0, 1.0, 1.0])
    assert costs.total[5] - costs.total[4] == pytest.approx(1.0)


def test_a_peak_costs_from_the_fair_share_on() -> None:
    """The others take one of two free starts at 5, and both at 6."""
    rows = [Row(vms=(0, 1, 2), starts=(t,), peak_price=3.0, fair_share=share) for t, share in ((5, 2), (6, 1))]
    costs = Marginals(small_instance([4, 4, 4], rows=rows), np.array([4, 5, 6])).of(0)
    assert costs.vault_peak[[4, 5, 6]].tolist() == pytest.approx([0.0, 0.0, 3.0])


def test_the_price_of_a_policy_and_of_a_move() -> None:
    """One VM more at 5 needs a second policy there; today's start keeps its place; a move costs anywhere else."""
    shape = Shape(per_new=1, per_old=1, write_price=0.7, move_price=0.2)
    costs = Marginals(small_instance([4, 5], shape=shape), np.array([4, 5])).of(0)
    assert costs.policy[[4, 5, 6]].tolist() == pytest.approx([0.0, 0.7, 0.7])
    assert costs.move[[4, 5, 6]].tolist() == pytest.approx([0.0, 0.2, 0.2])
    assert costs.risk[[4, 5, 6]].tolist() == pytest.approx([0.0, 0.0, 0.0])
    assert costs.total[5] == pytest.approx(0.9)


def test_a_vm_of_an_overfull_policy_stays_without_a_place() -> None:
    """Its start of today needs no policy; all others do."""
    shape = Shape(per_new=1, per_old=1, write_price=0.7, uncounted=[0, 1])
    made = small_instance([4, 4], shape=shape)
    assert Marginals(made, np.array([4, 4])).of(0).policy[[4, 5]].tolist() == pytest.approx([0.0, 0.7])
    away = Marginals(made, np.array([5, 4])).of(0).policy
    assert away[[4, 5]].tolist() == pytest.approx([0.0, 0.7])


def test_full_caps_and_shut_gates_block_options() -> None:
    """VM 1 fills the row at 5 and 6; VM 2 is at 9, where the rule keeps VM 0 away; VM 0 does not block itself."""
    rows = [Row(vms=(0, 1), starts=(5, 6), cap=1)]
    shape = Shape(gates=apart(0, 2, 3, same_start(), "apart"), cap_names=("crowded",))
    made = small_instance([4, 4, 4], rows=rows, shape=shape)
    blocked = Marginals(made, np.array([4, 5, 9])).blocked(0)
    found = {limit.name: np.flatnonzero(options).tolist() for limit, options in blocked.items()}
    assert found == {"crowded": [5, 6], "apart": [9]}
    assert all(limit.kind is LimitKind.RULE for limit in blocked)
    assert Marginals(made, np.array([5, 4, 4])).blocked(0).keys() == {Limit("apart", LimitKind.RULE)}


def test_blocks_of_one_rule_are_joined() -> None:
    """Two capped groups of one rule are one entry."""
    rows = [Row(vms=(0, 1), starts=(5,), cap=1), Row(vms=(0, 2), starts=(7,), cap=1)]
    made = small_instance([4, 5, 7], rows=rows)
    (options,) = Marginals(made, made.today).blocked(0).values()
    assert np.flatnonzero(options).tolist() == [5, 7]


@pytest.mark.parametrize(
    ("options", "v", "t", "limits"),
    [
        pytest.param([4, 4, 4], 0, 9, [], id="a move is left"),
        pytest.param([9, 4, 4], 1, 9, [MAX_MOVES], id="no move is left, and the policy exists"),
        pytest.param([9, 4, 4], 0, 7, ["writes", POLICIES_PER_VAULT], id="it moves already, but not for free"),
        pytest.param([9, 4, 4], 1, 7, [MAX_MOVES, "writes", POLICIES_PER_VAULT], id="nothing is left"),
        pytest.param([9, 4, 4], 1, 4, [], id="it may stay"),
    ],
)
def test_limits_that_are_used_up(options: list[int], v: int, t: int, limits: list[Limit | str]) -> None:
    """One move, and no further policy in the vault; there are policies at 4 and 9."""
    shape = Shape(
        policies=[(0, 4, (0, 1, 2), False), (0, 9, (), False)],
        room=(0,),
        write_price=0.1,
        max_moves=1,
        write_limits=(WriteLimit("writes", (0,), 0),),
    )
    made = small_instance([4, 4, 4], shape=shape)
    wanted = [Limit(one, LimitKind.POLICY_WRITES) if isinstance(one, str) else one for one in limits]
    assert Marginals(made, np.array(options)).used_up(v, t) == wanted


def test_without_a_limit_of_moves_none_is_used_up() -> None:
    """All VMs may move."""
    made = small_instance([4, 4], priced(2, {}))
    assert Marginals(made, np.array([9, 4])).used_up(1, 9) == []
