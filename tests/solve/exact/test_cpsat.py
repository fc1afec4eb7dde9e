"""Every family of constraints of the CP-SAT model is needed and none is too strong, shown by worked examples.

Left out, or made a little stricter, a family makes its example come out wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from optimizer.model.rules import Rule, Rules
from optimizer.solve.exact import cpsat
from optimizer.solve.exact.cpsat import FAMILIES, Family, ScopedModel, SolveStatus, Subproblem, whole
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from tests.solve.examples import SUNDAYS, Problem, best_of_all, flat_risk, inventory, only, policy
from tests.solve.small_instances import Row, Shape, priced, small_instance


def _risk(num_vms: int, today: float, cheap: dict[int, float]) -> np.ndarray:
    """Risk that forbids all but a few options: dear everywhere, ``today`` at 23:00, and as given."""
    risk = flat_risk(num_vms, 9.0)
    risk[:, 46] = today
    for option, value in cheap.items():
        risk[:, option] = value
    return risk


def _risky() -> Problem:
    """Two VMs of one service that should stay together: elsewhere they would be at risk."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 20)], [("web", "p"), ("web", "p")])
    risk = _risk(2, 0.0, {20: 5.0})
    return Problem(found, Rules(max_risk_increase=6.0), risk)


def _crowded(**rules: object) -> Problem:
    """Three VMs of one service at one start, with two other starts that already have a policy."""
    policies = [policy("p", "v", 46), policy("q", "v", 20), policy("r", "v", 30)]
    found = inventory(policies, [("web", "p"), ("web", "p"), ("web", "p")])
    return Problem(found, Rules(**rules), _risk(3, 0.0, {20: 0.0, 30: 0.0}))


def _forbidden() -> Problem:
    """The best start is outside the window that a rule allows."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 20), policy("r", "v", 30)], [("web", "p")])
    return Problem(found, Rules(rule=(only("23:00", "15:00"),)), _risk(1, 1.0, {20: 0.0, 30: 0.5}))


def _not_worth_a_policy() -> Problem:
    """A small gain that would need a new policy."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("db", "p")])
    risk = _risk(2, 0.0, {20: 0.0})
    risk[0, 46] = 0.05
    return Problem(found, Rules(), risk)


def _full_vault() -> Problem:
    """A gain that would need a policy more than the vault may hold."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("db", "p")])
    risk = _risk(2, 0.0, {20: 0.0})
    risk[0, 46] = 3.0
    return Problem(found, Rules(policies={"max_policies_per_vault": 1}), risk)


def _full_policies() -> Problem:
    """Two VMs that would change places between full policies, and a weekly one that finds room, in a full vault."""
    policies = [
        policy("p", "v", 46),
        policy("q", "v", 20),
        policy("r", "v", 46, SUNDAYS),
        policy("s", "v", 20, SUNDAYS),
    ]
    found = inventory(policies, [(f"s{n}", name) for n, name in enumerate("ppqqrrs")])
    risk = flat_risk(7, 9.0)
    risk[:2, 46] = risk[2:4, 20] = risk[4:6, 46] = risk[6, 20] = 0.0
    risk[0, 46] = risk[2, 20] = risk[4, 46] = 3.0
    risk[0, 20] = risk[2, 46] = risk[4, 20] = 0.0
    return Problem(found, Rules(policies={"max_policies_per_vault": 4, "max_vms_per_policy": 2}), risk)


def _capped() -> Problem:
    """A cap that is not worth keeping for the price of overlaps alone."""
    free = {"snapshot_overlap": 0.0, "all_at_once": 0.0}
    return _crowded(rule=(Rule(name="one at a time", max_concurrent=1),), prices=free)


def _in_order() -> Problem:
    """Of two VMs each is best off on the wrong side of the other."""
    found = inventory([policy("p", "v", 46), policy("q", "v", 20), policy("r", "v", 30)], [("web", "p"), ("db", "p")])
    risk = _risk(2, 1.0, {20: 0.0, 30: 0.0})
    risk[0, 30] = risk[1, 20] = 0.5
    return Problem(found, Rules(rule=(Rule(name="database last", order=("vm0", "vm1")),)), risk)


def _two_writes() -> Problem:
    """Two gains that need a new policy each, where one may be written."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("db", "p")])
    risk = _risk(2, 1.0, {})
    risk[0, 20] = risk[1, 30] = 0.0
    return Problem(found, Rules(policies={"edit": False}), risk, max_writes=1)


EXAMPLES: dict[Family, Callable[[], Problem]] = {
    cpsat.add_one_option_per_vm: _crowded,
    cpsat.add_allowed_options: _forbidden,
    cpsat.add_linear_cost: _risky,
    cpsat.add_policy_capacity: _not_worth_a_policy,
    cpsat.add_vault_policy_limit: _full_vault,
    cpsat.add_order_of_writes: _full_policies,
    cpsat.add_max_concurrent: _capped,
    cpsat.add_move_limit: lambda: _crowded(max_moves=1),
    cpsat.add_write_limits: _two_writes,
    cpsat.add_gates: _in_order,
    cpsat.add_shared_cost: _crowded,
}


def _is_right(problem: Problem, families: tuple[Family, ...]) -> bool:
    """Whether the model with these families finds the optimum, and a schedule that keeps all rules."""
    instance = problem.instance()
    scope = whole(instance, instance.today, only_allowed=False)
    answer = ScopedModel(instance, scope, families).solve(20.0, 0)
    best = best_of_all(problem)
    assert best is not None
    if (
        answer.outcome is not SolveStatus.OPTIMAL
        or answer.options is None
        or not is_feasible(instance, answer.options)
    ):
        return False
    assert answer.bound is not None
    return max(evaluate(instance, answer.options).total, answer.bound) <= best[0] + 1e-6


def _no_best_start(instance: Instance) -> Instance:
    """Forbid the starts of the optimum of :func:`_forbidden`."""
    allowed = instance.allowed.copy()
    allowed[:, 30] = False
    return replace(instance, allowed=allowed)


def _one_clash_more(instance: Instance) -> Instance:
    """Let the starts of the optimum of :func:`_in_order` clash as well."""
    clashes = instance.gates.clashes.copy()
    clashes[:, 20, 30] = clashes[:, 30, 20] = True
    return replace(instance, gates=replace(instance.gates, clashes=clashes))


STRICTER: dict[Family, Callable[[Instance], Instance]] = {
    cpsat.add_allowed_options: _no_best_start,
    cpsat.add_linear_cost: lambda i: replace(i, linear=i.linear + 0.01),
    cpsat.add_policy_capacity: lambda i: replace(i, existing=np.maximum(i.existing - 1, 0)),
    cpsat.add_vault_policy_limit: lambda i: replace(i, vault_room=i.vault_room - 1),
    cpsat.add_order_of_writes: lambda i: replace(i, unknown=i.unknown + 2 * i.existing),
    cpsat.add_max_concurrent: lambda i: replace(i, rows=replace(i.rows, cap=i.rows.cap - 1)),
    cpsat.add_move_limit: lambda i: replace(i, max_moves=(i.max_moves or 0) - 1),
    cpsat.add_write_limits: lambda i: replace(
        i, write_limits=tuple(replace(one, limit=one.limit - 1) for one in i.write_limits)
    ),
    cpsat.add_gates: _one_clash_more,
    cpsat.add_shared_cost: lambda i: replace(i, rows=replace(i.rows, fair_share=i.rows.fair_share - 1)),
}
"""A stricter instance for each family; :func:`add_one_option_per_vm` reads nothing that could be stricter."""


def _on(stricter: Callable[[Instance], Instance], family: Family) -> Family:
    """A family that reads a stricter instance than the others do."""

    def read(m: ScopedModel) -> None:
        m.instance, true = stricter(m.instance), m.instance
        family(m)
        m.instance = true

    return read


def _name(family: Family) -> str:
    return str(family.__name__)  # type: ignore[attr-defined]  # families are functions


@pytest.mark.parametrize("family", [family for family in FAMILIES if family in STRICTER], ids=_name)
def test_family_is_not_too_strong(family: Family) -> None:
    """The example is so tight that a family which asks a little more gives another answer."""
    stricter = tuple(_on(STRICTER[family], one) if one is family else one for one in FAMILIES)
    assert not _is_right(EXAMPLES[family](), stricter)


def test_every_family_has_an_example() -> None:
    """A family that is added needs an example here."""
    assert set(EXAMPLES) == set(FAMILIES)
    assert set(STRICTER) == set(FAMILIES) - {cpsat.add_one_option_per_vm}


@pytest.mark.parametrize("family", FAMILIES, ids=_name)
def test_family_is_needed(family: Family) -> None:
    """With all families the example is solved; without this one it is not."""
    problem = EXAMPLES[family]()
    assert _is_right(problem, FAMILIES)
    assert not _is_right(problem, tuple(other for other in FAMILIES if other is not family))


@pytest.mark.parametrize(("fixed", "kept"), [(0, 20), (1, 30)])
def test_gates_hold_against_vms_that_are_fixed(fixed: int, kept: int) -> None:
    """In a neighborhood the free VM keeps clear of the one that stays, whichever of the two it is."""
    problem = _in_order()
    instance = problem.instance()
    start = np.array([46, 46])
    free = 1 - fixed
    scope = Subproblem({free: np.flatnonzero(instance.allowed[free]).tolist()}, start)
    answer = ScopedModel(instance, scope).solve(5.0, 0)
    assert answer.options is not None
    assert (answer.options[fixed], answer.options[free]) == (46, kept)
    assert is_feasible(instance, answer.options)


def test_gates_of_some_rules_alone() -> None:
    """The family of named rules keeps these and no others."""
    problem = _in_order()
    instance = problem.instance()
    scope = whole(instance, instance.today)
    others = tuple(family for family in FAMILIES if family is not cpsat.add_gates)
    for names, kept in (({"database last"}, True), ({"another rule"}, False)):
        answer = ScopedModel(instance, scope, (*others, cpsat.gates_of(names))).solve(5.0, 0)
        assert answer.options is not None
        assert (is_feasible(instance, answer.options)) == kept


def test_fixed_writes_count_toward_their_limit() -> None:
    """A policy that others have written leaves that much less for the VMs that are free."""
    problem = _two_writes()
    instance = problem.instance()
    start = np.array([20, 46])
    answer = ScopedModel(instance, Subproblem({1: [30, 46]}, start)).solve(5.0, 0)
    assert answer.options is not None
    assert answer.options[1] == 46


def small(instance: Instance, options: dict[int, list[int]], fixed: list[int]) -> ScopedModel:
    """The model of some free VMs, with all others fixed."""
    return ScopedModel(instance, Subproblem(options, np.array(fixed)))


def test_the_whole_scope_frees_every_vm() -> None:
    """Each has its allowed options; a VM without any has all of them, so that the model has no solution."""
    instance = small_instance([4, 9], allowed={0: [4, 20], 1: []})
    scope = whole(instance, instance.today)
    assert scope.options == {0: [4, 20], 1: list(range(48))}
    assert ScopedModel(instance, scope).solve(5.0, 0).outcome is SolveStatus.INFEASIBLE
    assert whole(instance, instance.today, only_allowed=False).options[0] == list(range(48))


def test_fixed_vms_stay_and_count() -> None:
    """VM 1 is fixed at 9, where the cap is then full; VM 0 goes to its next best start."""
    prices = {(0, 4): 5.0, (0, 9): 0.0, (0, 20): 1.0}
    instance = small_instance([4, 4], priced(2, prices), [Row((0, 1), (9,), cap=1)])
    answer = small(instance, {0: [4, 9, 20]}, [4, 9]).solve(5.0, 0)
    assert answer.options is not None and answer.options.tolist() == [20, 9]
    assert answer.outcome is SolveStatus.OPTIMAL
    free = small(instance, {0: [4, 9, 20]}, [4, 4]).solve(5.0, 0)
    assert free.options is not None and free.options.tolist() == [9, 4]


def test_the_bound_is_the_cost_of_what_is_free() -> None:
    """The constant part, of fixed VMs, is left out; coefficients are rounded down."""
    prices = {(0, 4): 2.0, (0, 9): 1.25, (1, 4): 7.0}
    instance = small_instance([4, 4], priced(2, prices))
    answer = small(instance, {0: [4, 9]}, [4, 4]).solve(5.0, 0)
    assert answer.bound is not None
    assert 1.25 - 1e-6 <= answer.bound <= 1.25


def test_shared_costs_count_those_who_are_fixed() -> None:
    """Two fixed VMs at 9: a third pays two pairs and, above the fair share of two, the peak."""
    rows = [Row((0, 1, 2), (9,), pair_price=0.5), Row((0, 1, 2), (9,), peak_price=0.25, fair_share=2)]
    instance = small_instance([4, 9, 9], priced(3, {(0, 9): 1.0}, 3.0), rows)
    answer = small(instance, {0: [9]}, [9, 9, 9]).solve(5.0, 0)
    assert answer.bound == pytest.approx(1.0 + 2 * 0.5 + 0.25, abs=1e-5)


def test_places_that_are_left_and_policies_that_may_lack() -> None:
    """A policy of three holds one fixed VM and an unplanned item; with two free VMs, one policy of one may lack."""
    shape = Shape(per_new=1, per_old=3, unknown={(0, 4): 1})
    instance = small_instance([4, 4, 4], shape=shape)
    model = small(instance, {0: [4, 9], 1: [4, 9]}, [4, 4, 4])
    assert model.items_without_place(0, 4) == -1
    assert (model.most_lacking(0, 4), model.most_lacking(0, 9)) == (1, 2)
    assert not model.fixed_writes().any()
    away = small(instance, {0: [4]}, [4, 9, 4])
    assert away.fixed_writes()[0, 9] == 1


@pytest.mark.parametrize(("free", "full"), [([0, 1], {0}), ([0], set())])
def test_keys_without_room_whose_vms_are_all_free(free: list[int], full: set[int]) -> None:
    """A fixed VM of the key might be edited or leave, so nothing is said of such a key."""
    instance = small_instance([4, 9], shape=Shape(per_new=1, per_old=1))
    assert small(instance, {v: [4, 9] for v in free}, [4, 9]).full_keys() == full


def test_a_swap_of_full_policies_is_opened() -> None:
    """In a full vault of policies that are not edited, the swap is forbidden, and both VMs stay."""
    policies = [(0, 4, (0,), False), (0, 9, (1,), False)]
    prices = {(0, 4): 1.0, (0, 9): 0.0, (1, 9): 1.0, (1, 4): 0.0}
    shape = Shape(policies=policies, per_new=1, per_old=1, room=(0,))
    instance = small_instance([4, 9], priced(2, prices, 50.0), shape=shape)
    without_order = [family for family in FAMILIES if family is not cpsat.add_order_of_writes]
    model = ScopedModel(instance, whole(instance, instance.today), without_order)
    assert model.open_rings(np.array([9, 4]))
    assert not model.open_rings(np.array([4, 9]))
    answer = model.solve_without_rings(5.0, 0)
    assert answer.options is not None and answer.options.tolist() == [4, 9]


def test_without_work_nothing_is_known() -> None:
    """Neither a schedule nor a bound; a limit of seconds alone does not hurt."""
    problem = _crowded()
    instance = problem.instance()
    model = ScopedModel(instance, whole(instance, instance.today))
    nothing = model.solve(0.0, 0)
    assert nothing.outcome is SolveStatus.UNKNOWN
    assert (nothing.options, nothing.bound) == (None, None)
    assert model.solve(5.0, 0, 60.0, all_linear=True).outcome is SolveStatus.OPTIMAL


def test_two_schedules_can_share_a_model() -> None:
    """The second part is added to the model of the first, with variables of its own."""
    instance = small_instance([4], priced(1, {(0, 4): 2.0, (0, 9): 1.0}))
    first = small(instance, {0: [4, 9]}, [4])
    second = ScopedModel(instance, Subproblem({0: [4, 9]}, np.array([4])), model=first.model)
    assert second.model is first.model
    second.model.add(first.variables.x[0, 9] + second.variables.x[0, 9] <= 1)
    second.model.add(first.variables.x[0, 9] == 1)
    answer = second.solve(5.0, 0)
    assert answer.options is not None and answer.options.tolist() == [4]
