"""Gates: the flat arrays that keep sets of VMs apart or in order, against the plain question for each pair."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule, Rules
from optimizer.model.set_constraints import SetConstraints, gates_between, no_gates
from optimizer.model.timegrid import Frequency, Recurrence
from tests.solve.examples import SUNDAYS, WORKDAYS, inventory, policy

APART = Rule(name="apart", separate=("vm0", "vm1"))
ORDER = Rule(name="order", order=("vm0", "vm?"), within=3.0)


def estate() -> Inventory:
    """Five VMs of three patterns in one service."""
    policies = [policy("p", "v", 40), policy("q", "v", 40, SUNDAYS), policy("r", "v", 40, WORKDAYS, "Europe/Berlin")]
    return inventory(policies, [("s", "p"), ("s", "q"), ("s", "p"), ("s", "r"), ("s", "p")])


def nobody() -> np.ndarray:
    """No VM is immovable."""
    return np.zeros(5, dtype=np.bool_)


def clashing(gates: SetConstraints, v: int, w: int) -> np.ndarray:
    """Options of VM v (first axis) and of VM w that some pair of their gates excludes."""
    found = np.zeros((48, 48), dtype=np.bool_)
    mine, theirs = (gates.vm_gate[gates.vm_begin[vm] : gates.vm_begin[vm + 1]].tolist() for vm in (v, w))
    for gate in mine:
        for place in range(gates.gate_begin[gate], gates.gate_begin[gate + 1]):
            if gates.opponent[place] in theirs:
                found |= gates.clashes[gates.clash[place]]
    return found


@pytest.mark.parametrize("rule", [APART, ORDER])
def test_opposing_gates_say_the_same_from_both_sides(rule: Rule) -> None:
    """Where option t of one VM excludes option u of another, u excludes t."""
    gates = gates_between(estate(), Rules(rule=(rule,)), nobody())
    for v, w in product(range(5), repeat=2):
        assert (clashing(gates, v, w) == clashing(gates, w, v).T).all()
    assert any(clashing(gates, 0, w).any() for w in range(1, 5))


def test_vms_of_one_set_do_not_exclude_each_other() -> None:
    """The second set of the order has four VMs, which may start together."""
    gates = gates_between(estate(), Rules(rule=(ORDER,)), nobody())
    assert not any(clashing(gates, v, w).any() for v, w in product((1, 2, 3, 4), repeat=2))


def test_each_gate_has_the_name_of_its_rule_and_lists_its_opponents() -> None:
    """One gate per side; opponents list each other, with matrices that exist."""
    gates = gates_between(estate(), Rules(rule=(APART, ORDER)), nobody())
    assert set(gates.name) == {"apart", "order"}
    assert len(gates) == len(gates.gate_begin) - 1 == len(gates.name)
    pairs = {
        (gate, int(opponent))
        for gate in range(len(gates))
        for opponent in gates.opponent[gates.gate_begin[gate] : gates.gate_begin[gate + 1]]
    }
    assert {(b, a) for a, b in pairs} == pairs
    assert all(gates.name[a] == gates.name[b] for a, b in pairs)
    assert gates.clash.max() < len(gates.clashes)


def test_sides_that_cannot_clash_make_no_gate() -> None:
    """Policies that never run in one night have no order and no gate; Sundays and Mondays share a night."""
    for day, num_gates in ((2, 0), (0, 2)):
        policies = [policy("p", "v", 40, SUNDAYS), policy("q", "v", 40, Recurrence(Frequency.WEEKLY, (day,)))]
        found = inventory(policies, [("s", "p"), ("s", "q")])
        rules = Rules(rule=(Rule(name="n", order=("vm0", "vm1")),))
        assert len(gates_between(found, rules, np.zeros(2, dtype=np.bool_))) == num_gates


def test_hours_are_left_out_while_applying() -> None:
    """VMs move one by one, so following closely cannot hold between the first move and the last."""
    rules = Rules(rule=(ORDER,))
    whole, on_the_way = (gates_between(estate(), rules, nobody(), while_applying=flag) for flag in (False, True))
    assert whole.hours is not None
    assert on_the_way.hours is None
    assert (clashing(whole, 0, 1) >= clashing(on_the_way, 0, 1)).all()
    assert clashing(whole, 0, 1).sum() > clashing(on_the_way, 0, 1).sum()


def test_immovable_vms_have_gates_against_movable_ones_only() -> None:
    """What two immovable VMs break among themselves, no plan can change."""
    stays = nobody()
    stays[[0, 1]] = True
    gates = gates_between(estate(), Rules(rule=(ORDER,)), stays)
    assert not clashing(gates, 0, 1).any()
    assert clashing(gates, 0, 2).any()


def test_no_rule_makes_no_gate() -> None:
    """Empty arrays of the right shapes, as for an instance without VMs."""
    gates = gates_between(estate(), Rules(), nobody())
    empty = no_gates(5)
    assert len(gates) == len(empty) == 0
    assert gates.vm_begin.tolist() == empty.vm_begin.tolist() == [0] * 6
    assert gates.clashes.shape == empty.clashes.shape == (0, 48, 48)
    assert (gates.opponent.shape, gates.clash.shape, gates.gate_begin.tolist()) == ((0,), (0,), [0])
    assert no_gates().vm_begin.tolist() == [0]
