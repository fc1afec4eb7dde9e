"""Which VMs a rule applies to, and within which group it counts them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.verifier.under_rules import capped_groups, counted_within, rules_of, stays
from tests.plan.three_vms import DB, WEB_1, the_case

INVENTORY = the_case().inventory
WEB, DATABASE = INVENTORY.items[WEB_1], INVENTORY.items[DB]


def test_an_exception_takes_a_vm_out_of_a_rule() -> None:
    """By name or by a selector."""
    shop = Rule(name="shop", where=Selector(service="shop"), max_concurrent=1)
    assert rules_of(INVENTORY, Rules(rule=(shop,)), WEB) == [shop]
    assert rules_of(INVENTORY, Rules(rule=(shop,)), DATABASE) == []
    for exempt in ("web-1", Selector(name="web-*")):
        rule = shop.model_copy(update={"exempt": (exempt,)})
        assert rules_of(INVENTORY, Rules(rule=(rule,)), WEB) == []


@pytest.mark.parametrize(
    ("keys", "group"),
    [
        ({"max_concurrent": 2}, "shop"),
        ({"max_concurrent": 2, "per": "vault"}, WEB.vault_id.key),
        ({"separate": True}, ""),
        ({"separate": True, "per": "service"}, "shop"),
    ],
)
def test_a_rule_counts_within_a_service_a_vault_or_all_together(keys: dict[str, object], group: str) -> None:
    """``max_concurrent`` counts by service unless it says otherwise, ``separate`` counts all VMs together."""
    rule = Rule.model_validate({"name": "cap", **keys})
    assert counted_within(rule, INVENTORY, WEB) == group
    (counted,) = capped_groups(INVENTORY, Rules(rule=(rule,)), WEB)
    assert (counted.group, counted.cap) == (group, 2 if "max_concurrent" in keys else 1)


def test_a_vm_that_azure_does_not_let_write_stays() -> None:
    """So does one that a rule pins or excludes."""
    assert not stays(WEB, [Rule(name="cap", max_concurrent=1)])
    assert stays(replace(WEB, unwritable="soft-deleted"), [])
    assert stays(WEB, [Rule(name="pin", pin=True)])
    assert stays(WEB, [Rule(name="out", exclude=True)])
