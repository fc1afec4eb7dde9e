"""Which vaults have to wait for each other."""

from __future__ import annotations

from optimizer.model.arm_id import ArmId
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.rollout.calendar.lanes import lanes_of_vaults
from optimizer.rollout.writes.transition import Transition
from tests.plan.estates import VAULT, standard_policy
from tests.rollout.small_rollouts import SECOND_VAULT, world

THIRD_VAULT = VAULT.replace("rsv-one", "rsv-three")


def lanes(*rules: Rule) -> list[int]:
    """Lanes of three vaults: service shop has VMs in the first two, mail in the last two."""
    vaults = (VAULT, SECOND_VAULT, THIRD_VAULT)
    policies = [standard_policy(f"p{n}", "23:00", vault=vault) for n, vault in enumerate(vaults)]
    places = {"a": "p0", "b": "p1", "c": "p1", "d": "p2"}
    given = world(policies, places, {}, Rules(rule=rules), a="shop", b="shop", c="mail", d="mail")
    state = Transition(given.inventory, given.rules)
    found = lanes_of_vaults(given.inventory, state.caps, state.clashes, map(ArmId, vaults))
    return [found[ArmId(vault)] for vault in vaults]


def test_without_rules_each_vault_has_its_own_lane() -> None:
    """They are numbered in the order of the vaults."""
    assert lanes() == [0, 1, 2]


def test_a_cap_joins_the_vaults_whose_vms_it_counts_together() -> None:
    """A cap per service joins the vaults of a service; chains of services join all of them."""
    shop = Rule(name="shop", where=Selector(service="shop"), max_concurrent=1)
    every = Rule(name="all", max_concurrent=1)
    assert lanes(shop) == [0, 0, 1]
    assert lanes(every) == [0, 0, 0]


def test_sets_that_are_kept_apart_join_their_vaults() -> None:
    """VM a and VM d lie in the first and the last vault."""
    apart = Rule(name="apart", separate=(Selector(name="a"), Selector(name="d")))
    assert lanes(apart) == [0, 1, 0]
