"""Scenarios applied to an estate and its rules, one change after the other."""

from __future__ import annotations

import pytest

from optimizer.errors import ConfigError
from optimizer.model.rules import Prices, Rule, Rules
from optimizer.whatif.apply import apply_scenario
from optimizer.whatif.changed_estate import ChangedEstate
from optimizer.whatif.scenario import Scenario
from tests.whatif.small import three_vms, vm_id

ESTATE = three_vms()
PINNED = Rules(rule=(Rule(name="web stays", where={"service": "shop"}, pin=True), Rule(name="all stay", pin=True)))


def after(*changes: str, rules: Rules | None = None) -> ChangedEstate:
    """Return the estate of three VMs after these changes."""
    return apply_scenario(ESTATE, rules or Rules(), Scenario.parse(*changes))


def test_another_price() -> None:
    """Only that price changes, and the estate stays the same object."""
    changed = after("prices.move=0.5")
    assert changed.rules == Rules(prices=Prices(move=0.5))
    assert changed.estate is ESTATE


def test_another_setting_outside_of_a_table() -> None:
    """Keys at the top of the rules file can be set, too."""
    assert after("max_moves=3").rules.max_moves == 3


def test_a_key_with_another_name_in_the_file() -> None:
    """``working_hours.from`` is what the rules file calls it."""
    hours = after("working_hours.from=07:30").rules.working_hours
    assert hours != Rules().working_hours
    assert hours.model_dump() != Rules().working_hours.model_dump()


def test_later_changes_see_earlier_ones() -> None:
    """The last value of a key counts, and a rule that was added can be dropped."""
    assert after("max_moves=3", "max_moves=5").rules.max_moves == 5
    changed = after('add-rule={ name = "x", pin = true }', "drop-rule=x")
    assert changed.rules == Rules()


def test_values_that_are_there_already_change_nothing() -> None:
    """The rules stay the same object, so that the base plan answers the scenario."""
    rules = Rules(max_moves=3)
    assert after("max_moves=3", f"prices.move={Prices().move}", rules=rules).rules is rules


def test_a_rule_is_added_behind_the_others() -> None:
    """The order of the rules file is kept."""
    changed = after('add-rule={ name = "db stays", where = { service = "db" }, pin = true }', rules=PINNED)
    assert [rule.name for rule in changed.rules.rule] == ["web stays", "all stay", "db stays"]


def test_a_name_can_be_used_once() -> None:
    """The message of the rules file names the change."""
    with pytest.raises(ConfigError, match=r"what if 'add-rule=all stay'.*two rules are called 'all stay'"):
        after('add-rule={ name = "all stay", pin = true }', rules=PINNED)


def test_a_rule_is_dropped_by_its_name() -> None:
    """In any case; the others stay."""
    assert [rule.name for rule in after("drop-rule=WEB STAYS", rules=PINNED).rules.rule] == ["all stay"]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (PINNED, "what if 'drop-rule=web': there is no rule 'web'; did you mean 'web stays'?"),
        (Rules(), "what if 'drop-rule=web': there is no rule 'web'; there are no rules"),
    ],
)
def test_an_unknown_rule_cannot_be_dropped(rules: Rules, message: str) -> None:
    """The message suggests the rules that exist."""
    with pytest.raises(ConfigError) as caught:
        after("drop-rule=web", rules=rules)
    assert str(caught.value) == message


def test_a_value_that_does_not_fit_the_other_rules_is_refused() -> None:
    """Each value may be allowed by itself, and not together: the message names the change."""
    with pytest.raises(ConfigError, match=r"what if 'working_hours\.to="):
        after("working_hours.from=10:00", "working_hours.to=10:00")


def test_forbidden_dates_are_days_of_the_plan() -> None:
    """The 30 days begin on 24 February 2026: the first and the last are among them, the days around them are not."""
    for day in ("2026-02-24", "2026-03-25"):
        assert len(after(f"forbid={day} 20:00-06:00").rules.rule) == 1
    for day in ("2026-02-23", "2026-03-26"):
        with pytest.raises(ConfigError, match="not among the 30 days of the plan, 2026-02-24 to 2026-03-25; ask for"):
            after(f"forbid={day} 20:00-06:00")


def test_dates_of_a_rule_in_braces_are_not_checked() -> None:
    """A rule that is added as it would stand in a file may be about another month."""
    rule = '{ name = "x", forbid = [{ from = "20:00", to = "06:00", dates = [2030-01-01] }] }'
    assert len(after(f"add-rule={rule}").rules.rule) == 1


def test_some_of_the_dates_are_enough() -> None:
    """A range that begins before the plan's days still changes something."""
    assert len(after("forbid=2026-02-01..2026-02-24 20:00-06:00").rules.rule) == 1


def test_estate_and_rules_change_together() -> None:
    """Each change sees the estate and the rules that the changes before it left."""
    changed = after(
        "policies.max_vms_per_policy=2", "add-vms=service=shop,count=1", "lose-vault=vault-b", "max_moves=3"
    )
    assert changed.rules.max_moves == 3
    assert changed.policies_made == 1  # for the copy; the VM of the lost vault joins it there
    assert changed.rehomed == (vm_id("db-1"),)
    assert len(changed.inventory().items) == 4
    assert len([note for note in changed.notes if "must be created" in note]) == 1


def test_services_follow_a_changed_source() -> None:
    """Which VMs are selected depends on the services under the rules before the change."""
    by_group = Rules(service_from=("resource_group",))
    assert len(after("add-vms=service=rg-app,count=3", rules=by_group).copies) == 3
    with pytest.raises(ConfigError, match="there is no service 'rg-app'"):
        after("add-vms=service=rg-app,count=3")
