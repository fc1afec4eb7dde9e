"""Effects of each rule of a plan: the VMs that it applies to, that move, and that break it before and after.

The breaches are counted by the verifier's loops, so that the report shows what was checked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.documents import PlanDocument
from optimizer.model.inventory import Inventory
from optimizer.verifier.rule_counts import Counting
from optimizer.verifier.set_rules import SetRules
from optimizer.verifier.under_rules import capped_groups, rules_of
from optimizer.verifier.window_clock import WindowClock


@dataclass(frozen=True, slots=True)
class RuleEffect:
    """Effect of one rule.

    Parameters
    ----------
    rule
        Name of the rule.
    vms
        Number of VMs that it applies to.
    moved
        Number of those VMs that get another start.
    breaking_today, breaking_in_plan
        Number of VMs that break it. VMs that no plan may move count as well, unless they only clash with each other.
    """

    rule: str
    vms: int
    moved: int
    breaking_today: int
    breaking_in_plan: int


def rule_effects(inventory: Inventory, plan: PlanDocument) -> tuple[RuleEffect, ...]:
    """Effects of the rules of a plan, in the order of the rules file.

    Parameters
    ----------
    inventory
        Inventory that the plan was made for.
    plan
        The plan.

    Raises
    ------
    ValueError
        The plan was made for another inventory.
    """
    if not plan.rules.rule:
        return ()
    today = np.array([inventory.policy(item).start for item in inventory.items], dtype=np.int64)
    starts = plan.starts_in(inventory)
    under = {item.id: rules_of(inventory, plan.rules, item) for item in inventory.items}
    capped = {item.id: capped_groups(inventory, plan.rules, item) for item in inventory.items}
    clock = WindowClock(inventory)
    counting = Counting(
        inventory,
        clock,
        SetRules(inventory, plan.rules, clock),
        rules_of=lambda item: under[item.id],
        groups_of=lambda item: capped[item.id],
        stays=lambda _item, _rules: False,
    )
    before, after = counting.breaking(today.tolist()), counting.breaking(starts.tolist())
    moves = (today != starts).tolist()
    rows: dict[str, list[int]] = {rule.name: [] for rule in plan.rules.rule}
    for row, item in enumerate(inventory.items):
        for rule in under[item.id]:
            rows[rule.name].append(row)
    return tuple(
        RuleEffect(name, len(vms), sum(moves[row] for row in vms), before[name], after[name])
        for name, vms in rows.items()
    )
