"""Small random worlds with full policies, edits, swaps and caps, for properties of roll-outs."""

from __future__ import annotations

import random
from functools import lru_cache

from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.model.selectors import Selector
from tests.plan.estates import standard_policy
from tests.rollout.azure_rollouts import ready_of
from tests.rollout.conftest import Ready
from tests.rollout.small_rollouts import SECOND_VAULT, World, world

STARTS = ("20:00", "22:00", "00:00", "02:00", "04:00")


def random_world(seed: int) -> World:
    """Draw a world of about twelve VMs whose policies are full, so that writes need each other."""
    draw = random.Random(seed)  # noqa: S311  # no secret
    policies, places, targets, services = [], {}, {}, {}
    limit = draw.choice([2, 3, 4])
    only_edits = draw.random() < 0.25
    for vault in ("first", "second"):
        more = {"vault": SECOND_VAULT} if vault == "second" else {}
        for number, start in enumerate(draw.sample(STARTS, draw.choice([2, 3]))):
            name = f"{vault}-{number}"
            count = draw.randint(2 if only_edits else 1, limit)
            policies.append(standard_policy(name, start, items=count, **more))
            for n in range(count):
                vm = f"{name}-vm{n}"
                places[vm] = name
                services[vm] = draw.choice(["shop", "data"])
                if draw.random() < 0.75:
                    targets[vm] = draw.choice(STARTS)
            if only_edits or (number == 0 and draw.random() < 0.5):  # all go to one time: the policy may be edited
                later = draw.choice([one for one in STARTS if one != start])
                targets |= {vm: later for vm, place in places.items() if place == name}
    rules = []
    if not only_edits and draw.random() < 0.5:
        rules.append(Rule(name="cap", max_concurrent=draw.choice([2, 3]), where=Selector(service="shop")))
    if draw.random() < 0.3:
        rules.append(Rule(name="pairs", separate=("first-0*", "first-1*")))
    most = 1 if only_edits else draw.choice([4, 6, 200])
    limits = PolicyLimits(max_vms_per_policy=limit, max_policies_per_vault=most)
    return world(policies, places, targets, Rules(policies=limits, rule=tuple(rules)), **services)


@lru_cache
def random_ready(seed: int) -> Ready:
    """Plan the random world of a seed; the gains of its VMs are random too."""
    draw = random.Random(-seed)  # noqa: S311  # no secret
    ready = ready_of(random_world(seed))
    schedule = tuple(entry.model_copy(update={"risk_today": draw.random()}) for entry in ready.plan.schedule)
    return Ready(ready.estate, ready.plan.model_copy(update={"schedule": schedule}), ready.plan_path)
