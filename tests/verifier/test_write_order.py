"""Changes are made one by one, and every state on the way is checked."""

from __future__ import annotations

from optimizer.documents import Change
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.plan.make.case_writes import CaseWrites
from optimizer.verifier.set_rules import SetRules
from optimizer.verifier.under_rules import capped_groups
from optimizer.verifier.window_clock import WindowClock
from optimizer.verifier.write_order import check_order
from tests.plan.three_vms import DB, WEB_1, the_case, the_estate

INVENTORY = the_case().inventory
TODAY = the_case().problem.instance.today


def changes(**options: int) -> tuple[Change, ...]:
    schedule = TODAY.copy()
    for name, option in options.items():
        schedule[{"db": DB, "web_1": WEB_1}[name]] = option
    return CaseWrites.of(the_estate(), the_case()).changes_to(schedule).changes


def faults(order: tuple[Change, ...], rules: Rules | None = None) -> list[str]:
    rules, clock = rules or Rules(), WindowClock(INVENTORY)
    sets = SetRules(INVENTORY, rules, clock)
    return check_order(INVENTORY, rules, order, clock, sets, lambda item: capped_groups(INVENTORY, rules, item))


def test_the_order_of_the_planner_is_possible() -> None:
    """A policy is created before a VM goes to it."""
    assert faults(changes(web_1=4)) == []


def test_a_vm_cannot_go_to_a_policy_that_is_not_there_yet() -> None:
    """The same changes in the other order."""
    create, reassign = changes(web_1=4)
    (fault,) = faults((reassign, create))
    assert fault.startswith("change 1: there is no policy ")


def test_a_policy_is_not_created_twice_and_a_vm_not_written_twice() -> None:
    """Repeated changes are faults."""
    create, reassign = changes(web_1=4)
    found = " ".join(faults((create, create, reassign, reassign)))
    assert "is there already" in found
    assert "is written more than once" in found


def test_a_vault_may_not_exceed_its_limit_on_the_way() -> None:
    """Vault A has one policy; a second one is too many if the limit is one."""
    rules = Rules(policies=PolicyLimits(max_policies_per_vault=1))
    assert "policies; the limit is 1" in faults(changes(web_1=4), rules)[0]


def test_windows_may_not_meet_on_the_way_unless_they_do_today() -> None:
    """Moving ``web-1`` onto the database breaks ``separate``; an excess of today may stay."""
    rules = Rules(rule=(Rule(name="apart", separate=True),))
    assert faults(changes(web_1=4), rules) == []
    two = changes(web_1=4, db=4)
    (fault,) = faults(two, rules)
    assert fault.endswith("rule 'apart': 2 windows overlap at 02:00")
