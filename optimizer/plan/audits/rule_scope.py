"""Rules that have no effect on this estate, with the reason: a typo in a name would silently drop a protection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from optimizer.documents import IdleRule
from optimizer.model.arrays import BoolArray
from optimizer.model.caseless import Caseless
from optimizer.model.exemptions import set_as_toml
from optimizer.model.inventory import Inventory, ProtectedItem
from optimizer.model.rule_matches import idle_exceptions, matching_items
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.set_demands import demands, in_several_sets
from optimizer.plan.audits.rule_dates import keys_without_effect, notes_on_dates

VALUES_NAMED = 3
"""Maximum number of values of the estate, or of idle exceptions, that a sentence lists."""

NO_TWO_SETS = {
    None: "no two of its sets have VMs",
    "service": "no service has VMs of two of its sets",
    "vault": "no vault has VMs of two of its sets",
}
"""Reason why sets have no effect, by the ``per`` of the rule."""

KEYS = ("allow", "forbid", "max_concurrent", "separate", "order", "pin", "exclude", "freeze", "rpo_hours", "weight")
"""Keys of a rule that demand something of VMs."""


def idle_rules(inventory: Inventory, rules: Rules, stays: BoolArray) -> tuple[IdleRule, ...]:
    """Rules that apply to no VM, or have no effect on the VMs they apply to, in the order of the file.

    Parameters
    ----------
    inventory, rules
        The estate and its rules.
    stays
        Shape (V,): True for immovable VMs.
    """
    return tuple(found for found, whole in _without_effect(inventory, rules, stays) if whole)


def _without_effect(inventory: Inventory, rules: Rules, stays: BoolArray) -> Iterator[tuple[IdleRule, bool]]:
    """Rules with keys that have no effect, each with the reasons, and whether the whole rule has no effect."""
    acting = {demanded.rule.name for demanded in demands(inventory, rules, stays)}
    for rule in rules.rule:
        if not matching_items(inventory, rule).any():
            yield IdleRule(rule=rule.name, why=_why_no_vm(inventory, rule)), True
            continue
        idle = keys_without_effect(inventory, rule)
        if rule.name not in acting:
            sets = {"separate": rule.separate_sets, "order": rule.order_sets}
            idle |= {key: NO_TWO_SETS[rule.per] for key, named in sets.items() if named}
        if idle:
            why = "; ".join(dict.fromkeys(idle.values()))
            yield IdleRule(rule=rule.name, why=why), all(key in idle for key in KEYS if getattr(rule, key))


def notes_on_scope(inventory: Inventory, rules: Rules, stays: BoolArray) -> list[str]:
    """Notes for the reader of a plan on which VMs the rules apply to."""
    idle = idle_rules(inventory, rules, stays)
    notes = [f"rule {unused.rule!r} has no effect on this estate: {unused.why}" for unused in idle]
    return [*notes, *notes_on_parts(inventory, rules, stays)]


def notes_on_parts(inventory: Inventory, rules: Rules, stays: BoolArray) -> Iterator[str]:
    """Notes on parts of rules without effect, exceptions that exempt no VM, and VMs in several sets of a rule."""
    for idle, whole in _without_effect(inventory, rules, stays):
        if not whole:
            yield f"a part of rule {idle.rule!r} has no effect on this estate: {idle.why}"
    for rule in rules.rule:
        yield from notes_on_dates(inventory, rule)
        yield from _notes_on_exceptions(inventory, rule)
        yield from _notes_on_several_sets(inventory, rule)


def _notes_on_exceptions(inventory: Inventory, rule: Rule) -> Iterator[str]:
    idle = [set_as_toml(exception) for exception in idle_exceptions(inventory, rule)]
    if idle:
        more = f" and {len(idle) - VALUES_NAMED} more" if len(idle) > VALUES_NAMED else ""
        yield (
            f"'except' of rule {rule.name!r} has sets that match no VM of its 'where': "
            f"{', '.join(idle[:VALUES_NAMED])}{more}; check the spelling"
        )


def _notes_on_several_sets(inventory: Inventory, rule: Rule) -> Iterator[str]:
    if several := in_several_sets(inventory, rule):
        vms, count = ("VM matches", "counts") if several == 1 else ("VMs match", "count")
        yield f"{several} {vms} several sets of rule {rule.name!r} and {count} in the first of them"


def _why_no_vm(inventory: Inventory, rule: Rule) -> str:
    selected = sum(_matches(inventory, item, rule.where) for item in inventory.items)
    if selected:
        return f"its 'except' exempts {'the only VM' if selected == 1 else f'all {selected} VMs'} of its 'where'"
    reasons = [
        text for part, text in _criteria(inventory, rule.where) if not any(_each(inventory, part))
    ]  # empty if each criterion alone matches some VM: then they contradict each other
    return "; ".join(reasons) or "each criterion of its 'where' matches some VM, but no VM matches all of them"


def _each(inventory: Inventory, where: Selector) -> Iterator[bool]:
    return (_matches(inventory, item, where) for item in inventory.items)


def _matches(inventory: Inventory, item: ProtectedItem, where: Selector) -> bool:
    return where.matches(inventory.vm(item), inventory.vault(item), inventory.policy(item).recurrence.frequency)


def _criteria(inventory: Inventory, where: Selector) -> Iterator[tuple[Selector, str]]:
    """Each criterion of a selector on its own, with the sentence for the case that no VM matches it."""
    for key, pattern in where.tag.items():
        yield Selector(tag={key: pattern}), _without_tag(inventory, key, pattern)
    for field, value_of in _VALUES.items():
        wanted = getattr(where, field)
        if wanted is not None:
            values = [value_of(inventory, item) for item in inventory.items]
            yield Selector(**{field: wanted}), f"no VM has {field} = {wanted!r}; this estate has {_some(values)}"
    if where.frequency:
        wanted = " or ".join(where.frequency)
        values = [inventory.policy(item).recurrence.frequency.value for item in inventory.items]
        yield Selector(frequency=where.frequency), f"no VM is backed up {wanted}; this estate has {_some(values)}"


_VALUES: dict[str, Callable[[Inventory, ProtectedItem], str]] = {
    "name": lambda inventory, item: inventory.vm(item).name,
    "service": lambda inventory, item: inventory.vm(item).service or "",
    "vault": lambda inventory, item: inventory.vault(item).name,
    "subscription": lambda inventory, item: str(inventory.vm(item).subscription),
    "resource_group": lambda inventory, item: inventory.vm(item).resource_group,
    "os": lambda inventory, item: str(inventory.vm(item).os or ""),
}
"""What a VM has for each key of a selector that holds one pattern."""


def _without_tag(inventory: Inventory, key: str, pattern: str) -> str:
    """Sentence for the case that no VM has a tag, or that none has it with this value."""
    tags = [inventory.vm(item).tags for item in inventory.items]
    values = [value for tags_of_vm in tags for name, value in tags_of_vm.items() if Caseless(name) == key]
    if not values:
        return f"no VM has the tag {key!r}"
    return f"no VM has the tag {key} = {pattern!r}; this estate has {_some(values)}"


def _some(values: Sequence[str]) -> str:
    """The most frequent values, such as ``'db' and 'web'``."""
    counts = Counter(value for value in values if value)
    ranked = [repr(value) for value in sorted(counts, key=lambda value: (-counts[value], value))]
    if not ranked:
        return "none"
    if len(ranked) > VALUES_NAMED:
        return f"{', '.join(ranked[:VALUES_NAMED])} and {len(ranked) - VALUES_NAMED:,} more"
    return " and ".join(filter(None, (", ".join(ranked[:-1]), ranked[-1])))
