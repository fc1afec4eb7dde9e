"""Small random problems in which policies and vaults are full or nearly so, and the judge of their schedules.

Bounds and models go wrong where policies hold one to three VMs: there an edit has to take the place of a new policy,
and a start may need more policies than it has today.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from optimizer.model.arrays import IntArray
from optimizer.model.inventory import Policy
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import NUM_OPTIONS, format_start
from tests.solve.examples import (
    DAILY,
    SUNDAYS,
    Problem,
    inventory,
    obvious_feasible,
    obvious_writes,
    only,
    policy,
)
from tests.solve.orders import writes_of_schedule

TOO_RISKY = 9.0
"""Risk of starts that ``max_risk_increase`` rules out."""

Random = np.random.Generator

Judge = Callable[[Problem, IntArray], float | None]
"""Price to add to the cost of a schedule, in at-risk backups per 30 days; None where it is not feasible.

The price covers writes beyond those that the objective counts, such as detours.
"""


def keeps_every_rule(problem: Problem, options: IntArray) -> float | None:
    """Judge a schedule by plain loops: every rule holds and there is an order of writes; its price beyond the cost."""
    chosen = options.tolist()
    if not obvious_feasible(problem, chosen):
        return None
    found = problem.inventory
    held = Counter(
        (item.vault_id, found.policy(item).twin_key, t)
        for item, t in zip(found.items, chosen, strict=True)
        if t != found.policy(item).start or found.policy_sizes[item.policy_id.lower()] <= problem.limit.existing
    )
    writes = sum(n or 0 for n in writes_of_schedule(problem, chosen).values())
    return problem.rules.prices.policy_write * (writes - obvious_writes(problem, held).total())


def tight_problem(random: Random) -> Problem:
    """Three to seven VMs in policies of one to three, in vaults that hold few or no policies more."""
    limit = int(random.integers(1, 4))
    policies = _policies(random)
    names = _places(random, policies, limit)
    services = ["web", "db"][: int(random.integers(1, 3))]
    found = inventory(
        _with_strangers(random, policies, names), [(str(random.choice(services)), name) for name in names]
    )
    pool = np.union1d(
        random.choice([p.start for p in policies], 2), random.choice(NUM_OPTIONS, int(random.integers(1, 4)))
    )
    num_vms, most = len(names), 3 if len(names) <= 5 else 2
    risk, rules = np.full((num_vms, NUM_OPTIONS), TOO_RISKY), list[Rule]()
    for v, item in enumerate(found.items):
        today = found.policy(item).start
        others = random.permutation(pool[pool != today])[: int(random.integers(1, most + 1))]
        risk[v, today] = random.choice([0.0, 0.3, 2.0, 5.0])
        risk[v, others] = np.minimum(random.choice([0.0, 0.05, 0.3, 1.0, 4.0], len(others)), risk[v, today] + 0.1)
        if len(others) and random.random() < 0.25:
            windows = only(*(format_start(int(t)) for t in others)).allow
            rules.append(Rule(name=f"vm{v} leaves", where=Selector(name=f"vm{v}"), allow=windows))
    return Problem(
        found,
        _rules(random, rules, limit, max(found.policies_in_vault(vault) for vault in found.vaults)),
        risk,
        random.random(num_vms) < 0.9,
        int(random.integers(0, 4)) if random.random() < 0.15 else None,
        int(random.integers(1, limit + 1)) if random.random() < 0.15 else None,
    )


def _policies(random: Random) -> list[Policy]:
    recurrences = [DAILY, SUNDAYS if random.random() < 0.2 else DAILY]
    vaults = ["east", "west" if random.random() < 0.2 else "east"]
    starts = random.choice(NUM_OPTIONS, 3, replace=False)
    return [
        policy(
            f"p{number}",
            vaults[int(random.integers(2))],
            int(random.choice(starts)),
            recurrences[int(random.integers(2))],
            zone="India Standard Time" if random.random() < 0.1 else "UTC",
        )
        for number in range(int(random.integers(1, 5)))
    ]


def _places(random: Random, policies: list[Policy], limit: int) -> list[str]:
    """Policy of each VM: most policies are full, a few hold one VM more than they may."""
    names: list[str] = []
    for one in policies:
        size = limit if random.random() < 0.6 else int(random.integers(0, limit + 1))
        size += int(random.random() < 0.05)
        names += [one.name] * min(size, 7 - len(names))
    return names or [policies[0].name]


def _with_strangers(random: Random, policies: list[Policy], names: list[str]) -> list[Policy]:
    return [replace(p, items_reported=names.count(p.name) + 1) if random.random() < 0.05 else p for p in policies]


def _rules(random: Random, rules: list[Rule], limit: int, most_policies: int) -> Rules:
    found: list[dict[str, object]] = []
    if random.random() < 0.15:
        found.append({"name": "cap", "max_concurrent": int(random.integers(1, 4)), "per": "service"})
    if random.random() < 0.1:
        found.append({"name": "pinned", "where": {"name": "vm0"}, "pin": True})
    if random.random() < 0.25:
        found.append({"name": "in order", "order": ("vm1", "vm2")})
    if random.random() < 0.2:
        found.append({"name": "apart", "separate": ("vm2", "vm3")})
    return Rules.model_validate(
        {
            "rule": [*rules, *found],
            "max_moves": [None, None, None, None, 1, 2, 3][int(random.integers(7))],
            "prices": {
                "snapshot_overlap": float(random.choice([0.0, 0.0145, 0.07])),
                "all_at_once": float(random.choice([0.0, 1.0])),
                "vault_peak": float(random.choice([0.01, 0.01, 0.3])),
                "policy_write": float(random.choice([0.02, 0.1, 0.1, 0.5])),
                "move": float(random.choice([0.0, 0.02, 0.2])),
            },
            "policies": {
                "max_vms_per_policy": limit,
                "max_policies_per_vault": most_policies + int(random.choice([0, 0, 0, 1, 1, 2])),
                "edit": bool(random.random() < 0.8),
            },
        }
    )
