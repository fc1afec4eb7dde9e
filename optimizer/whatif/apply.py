"""Application of a scenario: estate, rules and forecast as they would be."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from pydantic import BaseModel

from optimizer.config import validate_rules
from optimizer.errors import ConfigError
from optimizer.estate import Estate, EstateDocument
from optimizer.model.arm_id import ArmId
from optimizer.model.rules import Rule, Rules
from optimizer.model.timegrid import Horizon
from optimizer.risk.forecast import Forecast
from optimizer.whatif.estate_changes import Changed, add_vms, lose_vault
from optimizer.whatif.scenario import AddRules, AddVms, Change, DropRule, LoseVault, Scenario, SetKey, resolve_names


@dataclass(frozen=True)
class Applied:
    """Estate and rules after a scenario.

    Parameters
    ----------
    document, rules
        Estate and rules as they would be.  If nothing changes them, they are the same objects as before the scenario.
    copies
        For each new VM, by id: the id of the VM of the estate that it is a copy of.
    rehomed
        Ids of the VMs that move to another vault.
    made
        Policies that VMs need before any plan.
    notes
        Notes for the planner.
    """

    document: EstateDocument
    rules: Rules
    copies: dict[ArmId, ArmId] = field(default_factory=dict)
    rehomed: tuple[str, ...] = ()
    made: int = 0
    notes: tuple[str, ...] = ()


def apply_scenario(estate: Estate, rules: Rules, scenario: Scenario) -> Applied:
    """Make the changes of a scenario in memory, in their order.

    Raises
    ------
    ConfigError
        A change does not fit the estate or the rules; the message states what would.
    """
    applied = Applied(estate.document, rules)
    for change in scenario.changes:
        applied = _apply(estate, applied, change)
    return applied


def _apply(estate: Estate, applied: Applied, change: Change) -> Applied:
    match change:
        case SetKey() | AddRules() | DropRule():
            if isinstance(change, AddRules):
                _refuse_dates_outside(Horizon(estate.as_of), change)
            return replace(applied, rules=_changed_rules(applied.rules, change))
        case AddVms() | LoseVault():
            inventory = Estate(estate.path, applied.document).inventory(applied.rules.service_from)
            if isinstance(change, AddVms):
                changed = add_vms(applied.document, inventory, applied.rules, change)
            else:
                changed = lose_vault(applied.document, inventory, applied.rules, change)
            return _joined(applied, changed)


def _joined(applied: Applied, changed: Changed) -> Applied:
    # A copy may be copied again: the model is the VM of the estate that has the history.
    copies = {new: applied.copies.get(model, model) for new, model in changed.copies.items()}
    return replace(
        applied,
        document=changed.document,
        copies=applied.copies | copies,
        rehomed=applied.rehomed + changed.rehomed,
        made=applied.made + changed.made,
        notes=applied.notes + changed.notes,
    )


def _changed_rules(rules: Rules, change: SetKey | AddRules | DropRule) -> Rules:
    tables = {name: getattr(rules, name) for name in Rules.model_fields}
    match change:
        case SetKey():
            table, _, key = change.key.rpartition(".")
            if table:
                values = tables[table]
                assert isinstance(values, BaseModel)
                tables[table] = {**values.model_dump(), key: change.value}
            else:
                tables[change.key] = change.value
        case AddRules():
            tables["rule"] = (*rules.rule, *change.rules)
        case DropRule():
            try:
                dropped = resolve_names("rule", change.name, [rule.name for rule in rules.rule])
            except ConfigError as exc:
                raise ConfigError(f"what if '{change}': {exc}") from exc
            tables["rule"] = tuple(rule for rule in rules.rule if rule.name != dropped)
    changed = validate_rules(tables, f"what if '{change}'")
    return rules if changed == rules else changed


def _refuse_dates_outside(horizon: Horizon, change: AddRules) -> None:
    """Refuse dates on which the plan has no backup, because the answer would always be that nothing changes."""
    if change.dated and not any(_meets(rule, horizon) for rule in change.rules):
        raise ConfigError(
            f"what if '{change}': these dates are not among the 30 days of the plan, {horizon.start:%Y-%m-%d} to "
            f"{horizon.dates()[-1]}; ask for dates of those"
        )


def _meets(rule: Rule, horizon: Horizon) -> bool:
    days = horizon.dates()
    return any(window.dates is None or set(window.dates) & set(days) for window in rule.forbid)


def with_copies(forecast: Forecast, copies: dict[ArmId, ArmId]) -> Forecast:
    """Add rows to a forecast for copies of VMs, which are assumed to be as busy as their models.

    Parameters
    ----------
    forecast
        Forecast that contains every model.
    copies
        For each new VM, by id: the id of its model.
    """
    if not copies:
        return forecast
    row_of = {ArmId(vm_id): row for row, vm_id in enumerate(forecast.vm_ids)}
    models = [row_of[model] for model in copies.values()]
    rows = np.array([*range(len(forecast.vm_ids)), *models], dtype=np.intp)
    return forecast.of_rows((*forecast.vm_ids, *copies), rows)
