"""Rules that today's schedule breaks, and the VMs that break them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule, Rules
from optimizer.plan.audit_document import BrokenRule, RuleDemand
from optimizer.solve.cost import row_counts, shut_gates
from optimizer.solve.gates import standing_clashes
from optimizer.solve.instance import Instance
from optimizer.solve.restrict import Restrictions

_Hit = tuple[int, str, tuple[RuleDemand, ...]]
"""Row of a VM, name of the rule that it breaks, and the keys of the rule that it may break."""


def find_broken_rules(
    inventory: Inventory, rules: Rules, restrictions: Restrictions, instance: Instance, snapshot_minutes: int
) -> tuple[BrokenRule, ...]:
    """Find the rules that are broken today; those with the most VMs come first.

    Immovable VMs count as well, although a plan tolerates what they break.  They are counted
    separately.

    Parameters
    ----------
    inventory, rules
        The estate and its rules.
    restrictions, instance
        Restrictions and instance for the solver, made from them.
    snapshot_minutes
        Length in minutes of the snapshot at the end of a start window.
    """
    rows: dict[str, set[int]] = {}
    demands: dict[str, dict[RuleDemand, None]] = {}
    for row, name, keys in (
        *_outside_windows(rules, restrictions, instance),
        *_over_caps(rules, instance),
        *_clashing(rules, instance),
        *_tolerated(inventory, rules, restrictions, snapshot_minutes),
    ):
        rows.setdefault(name, set()).add(row)
        demands.setdefault(name, {}).update(dict.fromkeys(keys))
    found = [
        BrokenRule(
            rule=name,
            demands=tuple(demands[name]),
            vms=tuple(inventory.items[row].vm_id for row in sorted(of_rule)),
            never_written=int((~restrictions.movable[sorted(of_rule)]).sum()),
        )
        for name, of_rule in rows.items()
    ]
    return tuple(sorted(found, key=lambda one: (-len(one.vms), one.rule)))


def breaks_of_standing(
    inventory: Inventory, rules: Rules, restrictions: Restrictions, snapshot_minutes: int
) -> list[tuple[int, str]]:
    """Immovable VMs that break a rule, alone or among themselves; each VM with the rule, listed once."""
    standing = standing_clashes(inventory, rules, ~restrictions.movable, snapshot_minutes)
    return list(dict.fromkeys((*restrictions.exempt, *standing)))


def _outside_windows(rules: Rules, restrictions: Restrictions, instance: Instance) -> Iterator[_Hit]:
    every = np.arange(instance.num_vms)
    for rule in rules.rule:
        if keys := _window_keys(rule):
            outside = restrictions.forbidden_by[rule.name][every, instance.today]
            yield from ((row, rule.name, keys) for row in np.flatnonzero(outside).tolist())


def _over_caps(rules: Rules, instance: Instance) -> Iterator[_Hit]:
    """Every VM in a half hour that exceeds its cap: they all contribute to it equally."""
    keys = {rule.name: _cap_keys(rule) for rule in rules.rule}
    over = np.append(row_counts(instance, instance.today) > instance.rows.cap, False)  # for the padding of `touched`
    met = instance.touched[instance.vm_class, instance.today]
    for row, place in np.argwhere(over[met]).tolist():
        name = instance.cap_names[instance.rows.group[met[row, place]]]
        yield row, name, keys[name]


def _clashing(rules: Rules, instance: Instance) -> Iterator[_Hit]:
    keys = {rule.name: _pair_keys(rule) for rule in rules.rule}
    for row, gate in shut_gates(instance, instance.today):
        name = instance.gates.name[gate]
        yield row, name, keys[name]


def _tolerated(
    inventory: Inventory, rules: Rules, restrictions: Restrictions, snapshot_minutes: int
) -> Iterator[_Hit]:
    by_name = {rule.name: rule for rule in rules.rule}
    yield from ((row, name, _window_keys(by_name[name])) for row, name in restrictions.exempt)
    for row, name in standing_clashes(inventory, rules, ~restrictions.movable, snapshot_minutes):
        yield row, name, _pair_keys(by_name[name]) or _cap_keys(by_name[name])


def _window_keys(rule: Rule) -> tuple[RuleDemand, ...]:
    keys: tuple[RuleDemand, ...] = ("allow",) if rule.allow else ()
    return (*keys, "forbid") if rule.forbid else keys


def _cap_keys(rule: Rule) -> tuple[RuleDemand, ...]:
    return ("separate",) if rule.separate is True else ("max_concurrent",)


def _pair_keys(rule: Rule) -> tuple[RuleDemand, ...]:
    keys: tuple[RuleDemand, ...] = ("separate",) if rule.separate else ()
    return (*keys, "order") if rule.order else keys
