"""Small problems that need more moves than are allowed, and every schedule that a step could lead to."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.model.rules import Rule, Rules
from optimizer.solve.moves.toward import gravity, in_small_edits, not_worse_than_today
from optimizer.solve.problem.breaches import broken_at
from optimizer.solve.problem.cost import evaluate, is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.problem.limits import Limits
from tests.solve.examples import Problem, flat_risk, inventory, policy

Random = np.random.Generator
STARTS = (46, 0, 6, 12)
"""Start options of the examples: 23:00, 00:00, 03:00 and 06:00."""


def broken_problem(random: Random) -> Problem:
    """Three to five VMs at a few starts under rules that their schedule of today is likely to break."""
    num_vms = int(random.integers(3, 6))
    policies = [policy(f"p{n}", "east", start) for n, start in enumerate(STARTS[: int(random.integers(1, 4))])]
    vms = [
        (str(random.choice(["web", "db"])), policies[int(random.integers(len(policies)))].name) for _ in range(num_vms)
    ]
    risk = flat_risk(num_vms, 9.0)
    risk[:, list(STARTS)] = random.choice([0.0, 0.1, 0.4], (num_vms, len(STARTS)))
    found = inventory(policies, vms)
    risk[np.arange(num_vms), [found.policy(item).start for item in found.items]] = 0.4
    kinds = [
        {"name": "few at once", "max_concurrent": int(random.integers(1, 3)), "per": "vault"},
        {"name": "in order", "order": ({"service": "db"}, {"service": "web"})},
        {"name": "apart", "separate": ("vm0", "vm1", "vm2")},
        {"name": "not at 23:00", "except": ["vm0"], "forbid": ({"from": "23:00", "to": "23:45"},)},
        {"name": "db matters", "where": {"service": "db"}, "weight": float(random.choice([0.5, 4.0]))},
        {"name": "vm2 stays", "where": {"name": "vm2"}, "pin": True},
    ]  # fmt: skip
    chosen = [
        one for one, chance in zip(kinds, (0.6, 0.3, 0.4, 0.5, 0.5, 0.1), strict=True) if random.random() < chance
    ]
    rules = Rules(
        rule=tuple(Rule.model_validate(one, by_alias=True, by_name=False) for one in chosen),
        max_moves=int(random.integers(1, 3)),
        policies={"max_policies_per_vault": int(random.choice([200, 200, len(policies) + 1]))},
    )
    return Problem(found, rules, risk)


def limits_of(problem: Problem, instance: Instance) -> Limits:
    """Every limit of the problem, whose arrays may have been changed."""
    return Limits(instance, problem.restrictions, problem.rules)


def schedules(instance: Instance) -> Iterator[IntArray]:
    """Every schedule of starts that are allowed, or today's."""
    both = zip(instance.today.tolist(), instance.allowed, strict=True)
    choices = [sorted({today, *np.flatnonzero(allowed).tolist()}) for today, allowed in both]
    for options in itertools.product(*choices):
        yield np.array(options, dtype=np.int64)


def keeping(instance: Instance) -> list[IntArray]:
    """Every schedule that keeps all rules with any number of moves, and edits no policy of more VMs than may move."""
    free = replace(in_small_edits(instance, instance.max_moves or 0), max_moves=None)
    return [options for options in schedules(free) if is_feasible(free, options)]


def best_of_all_steps(problem: Problem, instance: Instance, months: int) -> tuple[float, float] | None:
    """Gravity and cost of the best step from which some schedule that keeps the rules can be reached in time."""
    most, best = instance.max_moves or 0, None
    targets = [one for one in keeping(instance) if (one != instance.today).sum() <= months * most]
    small = in_small_edits(instance, most)
    for step in schedules(instance):
        moved = step != instance.today
        if moved.sum() > most or not not_worse_than_today(small, step):
            continue
        leads = (
            (target[moved] == step[moved]).all() and (target != step).sum() <= (months - 1) * most
            for target in targets
        )
        if any(leads):
            left = gravity(instance, broken_at(limits_of(problem, instance), step))
            found = left, evaluate(instance, step).total
            best = found if best is None else min(best, found)
    return best


def after(problem: Problem, options: IntArray) -> Problem:
    """The problem of the month after a step: VMs that moved are in policies at their new starts."""
    found = problem.inventory
    policies, items = dict(found.policies), []
    for item, start in zip(found.items, options.tolist(), strict=True):
        old = found.policy(item)
        if start == old.start:
            items.append(item)
            continue
        new = next((one for one in policies.values() if (one.twin_key, one.start) == (old.twin_key, start)), None)
        if new is None:
            name = f"{old.name}-{start}"
            new = policies[name] = replace(old, id=name, name=name, start=start)
        items.append(replace(item, policy_id=new.id))
    return replace(problem, inventory=replace(found, policies=policies, items=tuple(items)))
