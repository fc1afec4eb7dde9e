"""Small problems whose rules may contradict each other, and all of their conflicts by trying every schedule."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from optimizer.model.arrays import IntArray
from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule, Rules
from optimizer.model.set_constraints import SetConstraints
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.problem.cost import evaluate
from optimizer.solve.problem.limits import Limit, Limits
from optimizer.solve.problem.restrict import RISK_TOLERANCE
from optimizer.solve.why_not.changes import Change, loosened, relaxed_rules
from optimizer.solve.why_not.effects import Effect, effect_of_plan
from tests.solve.examples import Problem, flat_risk, inventory, obvious_feasible, only, policy

POLICIES = "the limit of policies per vault"
HISTORY = "too little history to accept a higher risk"
NIGHT = Window(start=20 * 60, end=6 * 60)
DAY = Window(start=6 * 60, end=20 * 60)


def nightly(rules: Rules, num_vms: int = 3, risk: np.ndarray | None = None) -> Problem:
    """VMs of one service and one policy at 23:00."""
    found = inventory([policy("p", "v", 46)], [("web", "p")] * num_vms)
    return Problem(found, rules, flat_risk(num_vms) if risk is None else risk)


def limits_of(problem: Problem, gates: SetConstraints | None = None) -> Limits:
    """The limits of a problem, with gates that no rule has made yet."""
    instance = problem.instance()
    instance = instance if gates is None else replace(instance, gates=gates)
    return Limits(instance, problem.restrictions, problem.rules)


def solved_again(
    problem: Problem, changes: Sequence[Change], gates: SetConstraints | None = None, near: IntArray | None = None
) -> Effect | None:
    """Plan with the rules as they would be written then."""
    relaxed = replace(problem, rules=relaxed_rules(problem.rules, changes, problem.inventory))
    return effect_of_plan(loosened(limits_of(relaxed, gates), changes).instance, Search(effort=2), near)


def gates_between(num_vms: int, sides: Sequence[tuple[str, int, int]], clash: np.ndarray) -> SetConstraints:
    """Gates of rules (name, VM, VM) whose options clash as given; clash[t, u] of the first against the second."""
    vm_gate: list[list[int]] = [[] for _ in range(num_vms)]
    opponent, matrix = [], []
    for number, (_, first, second) in enumerate(sides):
        vm_gate[first].append(2 * number)
        vm_gate[second].append(2 * number + 1)
        opponent += [2 * number + 1, 2 * number]
        matrix += [0, 1]
    return SetConstraints(
        vm_begin=np.cumsum([0, *map(len, vm_gate)]),
        vm_gate=np.array([h for gates in vm_gate for h in gates], dtype=np.int64),
        gate_begin=np.arange(2 * len(sides) + 1),
        opponent=np.array(opponent, dtype=np.int64),
        clash=np.array(matrix, dtype=np.int64),
        clashes=np.stack([clash, clash.T]),
        name=tuple(name for name, _, _ in sides for _ in range(2)),
    )


def apart() -> np.ndarray:
    """Options whose start windows meet."""
    t = np.arange(48)
    distance = (t[:, None] - t) % 48
    return (distance < 5) | (distance > 43)


def broken_by_every_schedule(problem: Problem, gates: SetConstraints | None = None) -> set[frozenset[str]]:
    """For each possible schedule the names of what it breaks, told from the rules alone; then without duplicates."""
    found, rules, num = problem.inventory, problem.rules, len(problem.inventory.items)
    today = [found.policy(item).start for item in found.items]
    grid = np.meshgrid(*[np.arange(48)] * num, indexing="ij")
    options = np.stack([axis.ravel() for axis in grid], axis=1)
    broken: dict[str, np.ndarray] = {}
    pins = tuple(rule for rule in rules.rule if rule.pin)
    pinned = np.flatnonzero(~problem.restrictions.movable).tolist()
    for rule in rules.rule:
        bad = np.zeros(len(options), dtype=np.bool_)
        mine = [v for v, item in enumerate(found.items) if rule.is_for(found.vm(item), found.vault(item), None)]
        for v in mine:
            alone = (rule, *(pin for pin in pins if pin is not rule))
            allowed = replace(problem, rules=Rules(rule=alone, max_risk_increase=1e6)).restrictions.forbidden_by
            if rule.allow or rule.forbid:
                bad |= allowed[rule.name][v][options[:, v]]
            if rule.pin:
                bad |= options[:, v] != today[v]
        if rule.max_concurrent is not None:
            for service in {found.vm(found.items[v]).service for v in mine}:
                members = [v for v in mine if found.vm(found.items[v]).service == service]
                windows = [found.pattern(found.policy(found.items[v])).occupancy() for v in members]
                met = sum(w[options[:, v]].astype(np.int8) for v, w in zip(members, windows, strict=True))
                stay = [w[today[v]] for v, w in zip(members, windows, strict=True) if v in pinned]
                most = np.maximum(rule.max_concurrent, np.sum(stay, axis=0) if stay else 0)
                bad |= (np.asarray(met) > most).any(axis=1)
        broken[rule.name] = bad
    moved = options != np.array(today)
    rows = np.arange(num)
    risk = problem.risk[rows, options]
    own = problem.table.own
    ceiling = problem.table.today + rules.max_risk_increase + RISK_TOLERANCE
    broken["max_risk_increase"] = (own & (risk > ceiling)).any(axis=1)
    broken[HISTORY] = (~own & (risk > problem.table.today)).any(axis=1)
    if rules.max_moves is not None:
        broken["max_moves"] = moved.sum(axis=1) > rules.max_moves
    free = replace(problem, rules=Rules(policies=rules.policies))
    broken[POLICIES] = ~np.array([obvious_feasible(free, one) for one in options.tolist()])
    for name in set(gates.name) if gates is not None else ():
        assert gates is not None
        at = [h for h, other in enumerate(gates.name) if other == name]
        behind = {h: [v for v in rows if h in gates.vm_gate[gates.vm_begin[v] : gates.vm_begin[v + 1]]] for h in at}
        bad = np.zeros(len(options), dtype=np.bool_)
        for h in at:
            for v, u in itertools.product(behind[h], behind[gates.opponent[h]]):
                bad |= gates.clashes[gates.clash[h]][options[:, v], options[:, u]]
        broken[name] = bad
    names = list(broken)
    table = np.unique(np.stack([broken[name] for name in names], axis=1), axis=0)
    return {frozenset(name for name, bad in zip(names, row, strict=True) if bad) for row in table.tolist()}


def can_hold(broken: set[frozenset[str]], kept: frozenset[str] | set[str]) -> bool:
    """Whether some schedule breaks none of the named limits."""
    return any(not one & kept for one in broken)


def smallest_size(broken: set[frozenset[str]], names: Sequence[str]) -> int | None:
    """Fewest limits that cannot all hold; None where all can."""
    for size in range(1, len(names) + 1):
        if any(not can_hold(broken, set(one)) for one in itertools.combinations(names, size)):
            return size
    return None


def best_cost_without(problem: Problem, broken_name: str) -> float | None:
    """Cost of the best schedule of two VMs that keeps everything but one limit, by trying all."""
    rules = problem.rules
    dropped: Mapping[str, object] = {"rule": tuple(rule for rule in rules.rule if rule.name != broken_name)}
    if broken_name == "max_moves":
        dropped = {"max_moves": None}
    relaxed = replace(problem, rules=rules.model_copy(update=dropped))
    allowed, instance = relaxed.restrictions.allowed, relaxed.instance()
    costs = [
        evaluate(instance, np.array(options)).total
        for options in itertools.product(*(np.flatnonzero(row).tolist() for row in allowed))
        if obvious_feasible(relaxed, options)
    ]
    return min(costs, default=None)


def _window(draw: st.DrawFn) -> Window:
    begin = draw(st.integers(0, 23)) * 60
    return Window(start=begin, end=(begin + 60 * draw(st.sampled_from([4, 8, 14]))) % 1440)


@st.composite
def contradictory(draw: st.DrawFn) -> Problem:
    """Two VMs, rules of every kind that ask for much, few moves and few policies."""
    vms = 2
    policies = [policy("p", "v", 46), policy("q", "v", draw(st.sampled_from([46, 20])))]
    found = inventory(policies, [("web", draw(st.sampled_from(["p", "q"]))) for _ in range(vms)])
    rules: list[Rule] = []
    for number in range(draw(st.integers(1, 5))):
        where = {"name": draw(st.sampled_from(["vm0", "vm1", "vm*"]))}
        kind = draw(st.sampled_from(["allow", "forbid", "pin", "cap", "only"]))
        name = f"{kind} {number}"
        if kind == "allow":
            rules.append(Rule(name=name, where=where, allow=(_window(draw),)))
        elif kind == "forbid":
            rules.append(Rule(name=name, where=where, forbid=(_window(draw),)))
        elif kind == "pin":
            rules.append(Rule(name=name, where=where, pin=True))
        elif kind == "cap":
            rules.append(Rule(name=name, max_concurrent=1))
        else:
            rules.append(only("23:00", "02:00").model_copy(update={"name": name}))
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    risk = flat_risk(vms)
    if draw(st.booleans()):
        risk = random.choice([0.0, 0.05, 1.0], (vms, 48), p=[0.3, 0.2, 0.5])
    return Problem(
        found,
        Rules(
            rule=tuple(rules),
            max_risk_increase=0.1,
            max_moves=draw(st.sampled_from([None, None, 0, 1])),
            policies={"max_policies_per_vault": draw(st.sampled_from([200, 2, 3])), "edit": False},
        ),
        risk,
        np.array([draw(st.sampled_from([True, True, False])) for _ in range(vms)]),
    )


def gated(draw: st.DrawFn, num_vms: int = 2) -> SetConstraints | None:
    """Perhaps a rule that keeps both VMs apart."""
    if not draw(st.booleans()):
        return None
    return gates_between(num_vms, [("apart", 0, 1)], apart())


def names_of(limits: Sequence[Limit]) -> frozenset[str]:
    """Names of limits."""
    return frozenset(limit.name for limit in limits)


def forty_rules() -> tuple[Problem, set[str], tuple[int, ...]]:
    """Forty rules on six services, three of which are in conflict at one of them: (problem, their names, its VMs)."""
    services = ["erp", "shop", "mail", "pay", "web", "lab"]
    vms = [(service, "p") for service in services for _ in range(8)]
    found = inventory([policy("p", "v", 46)], vms)
    erp = {"service": "erp"}
    guilty = {
        3: Rule(name="erp in turns", where=erp, max_concurrent=2),
        17: Rule(name="erp at night", where=erp, allow=(Window(start=20 * 60, end=6 * 60),)),
        29: Rule(name="erp after the batch run", where=erp, forbid=(Window(start=19 * 60, end=24 * 60),)),
    }
    rules: list[Rule] = []
    for number in range(40):
        where = {"service": services[number % 6]}
        if number in guilty:
            rules.append(guilty[number])
        elif number % 2:
            rules.append(Rule(name=f"at most {number}", where=where, max_concurrent=3 + number % 4))
        else:
            begin = (9 + number % 5) * 60
            rules.append(Rule(name=f"busy hour {number}", where=where, forbid=(Window(start=begin, end=begin + 60),)))
    problem = Problem(found, Rules(rule=tuple(rules)), flat_risk(len(vms)))
    return problem, {rule.name for rule in guilty.values()}, tuple(range(8))
