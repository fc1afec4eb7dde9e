"""Application of a scenario: the estate and the rules after its changes."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel

from optimizer.config import validate_rules
from optimizer.errors import ConfigError
from optimizer.estate import Estate
from optimizer.model.rules import Rule, Rules
from optimizer.model.timegrid import Horizon
from optimizer.whatif.add_vms import add_vms
from optimizer.whatif.changed_estate import ChangedEstate
from optimizer.whatif.changes import AddRules, AddVms, Change, DropRule, LoseVault, SetKey
from optimizer.whatif.lose_vault import lose_vault
from optimizer.whatif.names import resolve_names
from optimizer.whatif.scenario import Scenario


def apply_scenario(estate: Estate, rules: Rules, scenario: Scenario) -> ChangedEstate:
    """Make the changes of a scenario in memory, in their order.

    Parameters
    ----------
    estate, rules
        Estate and rules without the scenario.
    scenario
        The changes.

    Raises
    ------
    ConfigError
        A change does not fit the estate or the rules; the message states what would.
    """
    changed = ChangedEstate(estate, rules)
    for change in scenario.changes:
        changed = _apply(changed, change)
    return changed


def _apply(before: ChangedEstate, change: Change) -> ChangedEstate:
    match change:
        case AddVms():
            return add_vms(before, change)
        case LoseVault():
            return lose_vault(before, change)
        case AddRules():
            _refuse_dates_outside(Horizon(before.estate.as_of), change)
            return _with_rules(before, change, rule=(*before.rules.rule, *change.rules))
        case DropRule():
            return _with_rules(before, change, rule=_without_rule(before.rules, change))
        case SetKey():
            return _with_rules(before, change, **_with_key(before.rules, change))


def _with_rules(before: ChangedEstate, change: Change, **tables: object) -> ChangedEstate:
    """The same estate under rules with other tables; the rules stay the same object if they stay equal."""
    present = {name: getattr(before.rules, name) for name in Rules.model_fields}
    rules = validate_rules({**present, **tables}, f"what if '{change}'")
    return before if rules == before.rules else replace(before, rules=rules)


def _with_key(rules: Rules, change: SetKey) -> dict[str, object]:
    """Table of the rules that has another value for a key."""
    table, _, key = change.key.rpartition(".")
    if not table:
        return {change.key: change.value}
    values = getattr(rules, table)
    assert isinstance(values, BaseModel)
    return {table: {**values.model_dump(), key: change.value}}


def _without_rule(rules: Rules, change: DropRule) -> tuple[Rule, ...]:
    try:
        dropped = resolve_names("rule", change.name, [rule.name for rule in rules.rule])
    except ConfigError as exc:
        raise ConfigError(f"what if '{change}': {exc}") from exc
    return tuple(rule for rule in rules.rule if rule.name != dropped)


def _refuse_dates_outside(horizon: Horizon, change: AddRules) -> None:
    """Refuse dates on which the plan has no backup, because the answer would always be that nothing changes."""
    if change.dated and not any(_has_a_date_of(horizon, rule) for rule in change.rules):
        raise ConfigError(
            f"what if '{change}': these dates are not among the 30 days of the plan, {horizon.start:%Y-%m-%d} to "
            f"{horizon.dates()[-1]}; ask for dates of those"
        )


def _has_a_date_of(horizon: Horizon, rule: Rule) -> bool:
    """Whether a rule forbids anything within the days of a plan."""
    days = set(horizon.dates())
    return any(window.dates is None or not days.isdisjoint(window.dates) for window in rule.forbid)
