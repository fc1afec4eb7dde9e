"""Rules in words: the VMs that a rule applies to, its demands, and settings that differ from the defaults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optimizer.model.rule_values import RuleTable
from optimizer.model.rule_windows import DateRange, Window
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import WEEKDAYS
from optimizer.report.formats import plural

EVERY_VM = "every VM"


def applies_to(rule: Rule) -> str:
    """VMs that a rule applies to, such as ``service = erp*, except "*-test-*"``."""
    where = _set(rule.where) or EVERY_VM
    exempt = " or ".join(_set(vms) for vms in rule.exempt)
    return f"{where}, except {exempt}" if exempt else where


def demands(rule: Rule) -> str:
    """Demands of a rule, such as ``at most 4 start windows at once per service``."""
    return "; ".join((*_times(rule), *_together(rule), *_changes(rule)))


def _times(rule: Rule) -> Iterator[str]:
    if rule.allow:
        yield f"start windows only within {_windows(rule.allow)}"
    if rule.forbid:
        yield f"no start window in {_windows(rule.forbid)}"


def _together(rule: Rule) -> Iterator[str]:
    per = f" per {rule.per}" if rule.per else ""
    if rule.max_concurrent is not None:
        yield f"at most {plural(rule.max_concurrent, 'start window')} at once per {rule.per or 'service'}"
    if rule.separate is True:
        yield f"no two start windows overlap{per}"
    elif rule.separate:
        yield f"start windows of {' and '.join(_set(vms) for vms in rule.separate)} do not overlap{per}"
    if rule.order:
        within = "" if rule.within is None else f", each at most {rule.within:g} h after the one before"
        yield f"{', then '.join(_set(vms) for vms in rule.order)}{per}{within}"


def _changes(rule: Rule) -> Iterator[str]:
    if rule.pin:
        yield "keep their start"
    if rule.exclude:
        yield "are never written"
    if rule.freeze:
        yield f"no writes on {', '.join(map(_days, rule.freeze))}"
    if rule.rpo_hours is not None:
        yield f"at most {rule.rpo_hours:g} h between two recovery points during a change"
    if rule.weight is not None:
        yield f"count {rule.weight:g} times"


def _set(chosen: str | Selector) -> str:
    """A set of VMs: a pattern of names in quotes, or its criteria; empty if every VM matches."""
    if isinstance(chosen, str):
        return f'"{chosen}"'
    criteria = chosen.model_dump(exclude_defaults=True)
    parts = [f"tag {key} = {value}" for key, value in criteria.pop("tag", {}).items()]
    for key, value in criteria.items():
        shown = " or ".join(value) if isinstance(value, list | tuple) else value
        parts.append(f"{key.replace('_', ' ')} = {shown}")
    return ", ".join(parts)


def _windows(windows: Sequence[Window]) -> str:
    return " or ".join(map(_window, windows))


def _window(window: Window) -> str:
    written = window.model_dump(mode="json")
    days = f" on {_weekdays(window.days)}" if window.days is not None else ""
    dates = f" on {', '.join(written['dates'])}" if window.dates is not None else ""
    return f"{written['from']}-{written['to']}{days}{dates} ({window.zone or 'zone of each policy'})"


def _weekdays(days: Sequence[int]) -> str:
    first, last = min(days), max(days)
    if len(days) > 2 and sorted(days) == list(range(first, last + 1)):
        return f"{WEEKDAYS[first]} to {WEEKDAYS[last]}"
    return ", ".join(WEEKDAYS[day] for day in days)


def _days(days: DateRange) -> str:
    return f"{days.first}" if days.first == days.last else f"{days.first} to {days.last}"


def changed_settings(rules: Rules) -> list[tuple[str, str, str]]:
    """Settings that differ from the defaults: key, value and default of each, as a rules file writes them."""
    return list(_changed(rules, Rules(), ""))


def _changed(table: RuleTable, default: RuleTable, prefix: str) -> Iterator[tuple[str, str, str]]:
    written, usual = table.model_dump(mode="json"), default.model_dump(mode="json")
    for name, field in type(table).model_fields.items():
        key, value, before = field.alias or name, getattr(table, name), getattr(default, name)
        if isinstance(value, RuleTable):
            yield from _changed(value, before, f"{prefix}{key}.")
        elif value != before and name != "rule":
            yield f"{prefix}{key}", _shown(written.get(key)), _shown(usual.get(key, before))


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
