"""Cuts that line up the options of VMs which are kept in order."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.rules import Rule, Rules
from optimizer.solve.bound.cuts import Cut, find_cuts, is_nested, rules_without_cut
from optimizer.solve.problem.instance import Instance
from tests.solve.examples import SUNDAYS, Problem, flat_risk, inventory, policy
from tests.solve.small_instances import Shape, apart, same_start, small_instance


def ordered(rule: Rule, services: str = "ab") -> Instance:
    """VMs of services with one letter each, all daily at 23:00, under a rule between sets."""
    policies = [policy("p", "v", 46)]
    found = inventory(policies, [(service, "p") for service in services])
    return Problem(found, Rules(rule=(rule,)), flat_risk(len(services))).instance()


def before(*services: str) -> Rule:
    """One service after the other."""
    return Rule(name="in order", order=tuple({"service": service} for service in services))


def fits(cut: Cut, options: dict[int, int]) -> bool:
    """Whether some position of a cut has all VMs at their options."""
    levels = [(n < cut.before, int(cut.level[n, options[int(v)]])) for n, v in enumerate(cut.vms)]
    return any(
        all(level <= (p if first else cut.positions - 1 - p) for first, level in levels) for p in range(cut.positions)
    )


@pytest.mark.parametrize(
    ("rows", "nested"),
    [
        ([[1, 1, 0], [1, 0, 0], [0, 0, 0]], True),
        ([[1, 0, 0], [0, 1, 0]], False),
        ([[0, 1, 1], [0, 1, 1]], True),
        ([[1, 1, 0], [0, 1, 1]], False),
        ([[1, 0, 1], [1, 1, 1], [0, 0, 1]], True),
    ],
)
def test_nested_rows(rows: list[list[int]], nested: bool) -> None:
    """Of any two rows, one contains the other."""
    assert is_nested(np.array(rows, dtype=np.bool_)) is nested


def test_without_rules_between_sets_there_is_no_cut() -> None:
    """Nothing is in order, and nothing is left out."""
    instance = small_instance([4, 9])
    assert find_cuts(instance) == []
    assert rules_without_cut(instance) == []


def test_one_cut_for_two_services_in_order() -> None:
    """The VM of the first service is on one side of the cut, and those of the second on the other."""
    instance = ordered(before("a", "b"), "bab")
    (cut,) = find_cuts(instance)
    sides = {frozenset(cut.vms[: cut.before].tolist()), frozenset(cut.vms[cut.before :].tolist())}
    assert sides == {frozenset({1}), frozenset({0, 2})}
    assert cut.level.shape == (3, 48)
    assert rules_without_cut(instance) == []


def test_two_options_fit_a_position_exactly_if_they_do_not_clash() -> None:
    """The positions of the cut say what the rule says, for all pairs of starts."""
    instance = ordered(before("a", "b"))
    (cut,) = find_cuts(instance)
    gates = instance.gates
    gate = int(gates.vm_gate[gates.vm_begin[0]])
    clash = gates.clashes[gates.clash[gates.gate_begin[gate]]]
    fitting = [[fits(cut, {0: t, 1: u}) for u in range(48)] for t in range(48)]
    assert np.array_equal(np.array(fitting), ~clash)
    assert clash.any() and not clash.all()


def test_options_that_are_not_allowed_fit_no_position() -> None:
    """Their level is the number of positions."""
    rule = before("a", "b")
    found = inventory([policy("p", "v", 46)], [("a", "p"), ("b", "p")])
    early = Rule(name="early", where={"service": "b"}, allow=({"from": "00:00", "to": "06:00"},))
    instance = Problem(found, Rules(rule=(rule, early)), flat_risk(2)).instance()
    (cut,) = find_cuts(instance)
    member = cut.vms.tolist().index(1)
    assert (cut.level[member, ~instance.allowed[1]] == cut.positions).all()
    assert (cut.level[member, instance.allowed[1]] < cut.positions).all()


def test_a_chain_of_three_needs_one_cut_between_each_two() -> None:
    """A before B before C: each pair of the chain that the rule keeps in order is in some cut, on different sides."""
    instance = ordered(before("a", "b", "c"), "abc")
    cuts = find_cuts(instance)
    sides = [(set(cut.vms[: cut.before].tolist()), set(cut.vms[cut.before :].tolist())) for cut in cuts]
    for first, second in ((0, 1), (1, 2), (0, 2)):
        assert any(first in one and second in other for one, other in sides)


def test_patterns_of_one_set_share_a_cut() -> None:
    """Daily and weekly VMs of the first service are before the second in a single cut."""
    policies = [policy("d", "v", 46), policy("w", "v", 46, SUNDAYS)]
    found = inventory(policies, [("a", "d"), ("a", "w"), ("b", "d")])
    instance = Problem(found, Rules(rule=(before("a", "b"),)), flat_risk(3)).instance()
    cuts = find_cuts(instance)
    covered = {(int(v), int(w)) for cut in cuts for v in cut.vms[: cut.before] for w in cut.vms[cut.before :]}
    assert covered >= {(0, 2), (1, 2)} or covered >= {(2, 0), (2, 1)}


def test_sets_that_are_kept_apart_have_no_cut() -> None:
    """A start in the middle clashes with its neighbors only, so the clashes are not nested; the rule is named."""
    instance = small_instance([4, 9], shape=Shape(gates=apart(0, 1, 2, same_start(), "not together")))
    assert find_cuts(instance) == []
    assert rules_without_cut(instance) == ["not together"]


def test_clashes_are_looked_at_where_vms_may_start_only() -> None:
    """With two starts left to VM 0 and one to VM 1, the clashes of the same rule are nested."""
    shape = Shape(gates=apart(0, 1, 2, same_start()))
    instance = small_instance([4, 9], shape=shape, allowed={0: [4, 9], 1: [9]})
    (cut,) = find_cuts(instance)
    assert rules_without_cut(instance) == []
    assert fits(cut, {0: 4, 1: 9})
    assert not fits(cut, {0: 9, 1: 9})


def test_gates_that_never_clash_are_left_out() -> None:
    """VM 0 starts before noon and VM 1 in the evening, so the rule has nothing to say."""
    shape = Shape(gates=apart(0, 1, 2, same_start()))
    instance = small_instance([4, 40], shape=shape, allowed={0: range(20), 1: range(40, 48)})
    assert find_cuts(instance) == []
    assert rules_without_cut(instance) == []
