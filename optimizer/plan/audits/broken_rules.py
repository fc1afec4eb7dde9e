"""Rules that today's schedule breaks, and the VMs that break them."""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.documents import BrokenRule, RuleDemand
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule
from optimizer.model.set_demands import standing_clashes
from optimizer.solve import BreachKind, Problem

_Hit = tuple[int, str, tuple[RuleDemand, ...]]
"""Row of a VM, name of the rule that it breaks, and the keys of the rule that it may break."""


def find_broken_rules(inventory: Inventory, problem: Problem) -> tuple[BrokenRule, ...]:
    """Find the rules that are broken today; those with the most VMs come first.

    Immovable VMs count as well, although a plan tolerates what they break. They are counted
    separately.

    Parameters
    ----------
    inventory, problem
        The estate, and the problem whose limits its schedule has to keep.
    """
    movable = problem.restrictions.movable
    rows: dict[str, set[int]] = {}
    demands: dict[str, dict[RuleDemand, None]] = {}
    for row, name, keys in (
        *_of_today(problem),
        *_tolerated(inventory, problem),
    ):
        rows.setdefault(name, set()).add(row)
        demands.setdefault(name, {}).update(dict.fromkeys(keys))
    found = [
        BrokenRule(
            rule=name,
            demands=tuple(demands[name]),
            vms=tuple(inventory.items[row].vm_id for row in sorted(of_rule)),
            never_written=int((~movable[sorted(of_rule)]).sum()),
        )
        for name, of_rule in rows.items()
    ]
    return tuple(sorted(found, key=lambda one: (-len(one.vms), one.rule)))


def breaks_of_standing(inventory: Inventory, problem: Problem) -> list[tuple[int, str]]:
    """Immovable VMs that break a rule, alone or among themselves; each VM with the rule, listed once."""
    standing = standing_clashes(inventory, problem.rules, ~problem.restrictions.movable)
    return list(dict.fromkeys((*problem.restrictions.exempt, *standing)))


def _of_today(problem: Problem) -> Iterator[_Hit]:
    """Every VM that breaks a rule today; all VMs in a half hour that exceeds its cap contribute to it equally."""
    by_name = {rule.name: rule for rule in problem.rules.rule}
    keys_of = {BreachKind.START: _window_keys, BreachKind.CAP: _cap_keys, BreachKind.SETS: _pair_keys}
    for breach in problem.rule_breaches(problem.instance.today):
        keys = keys_of[breach.kind](by_name[breach.limit.name])
        yield from ((row, breach.limit.name, keys) for row in breach.vms)


def _tolerated(inventory: Inventory, problem: Problem) -> Iterator[_Hit]:
    rules, restrictions = problem.rules, problem.restrictions
    by_name = {rule.name: rule for rule in rules.rule}
    yield from ((row, name, _window_keys(by_name[name])) for row, name in restrictions.exempt)
    for row, name in standing_clashes(inventory, rules, ~restrictions.movable):
        yield row, name, _pair_keys(by_name[name]) or _cap_keys(by_name[name])


def _window_keys(rule: Rule) -> tuple[RuleDemand, ...]:
    keys: tuple[RuleDemand, ...] = ("allow",) if rule.allow else ()
    return (*keys, "forbid") if rule.forbid else keys


def _cap_keys(rule: Rule) -> tuple[RuleDemand, ...]:
    return ("separate",) if rule.separate is True else ("max_concurrent",)


def _pair_keys(rule: Rule) -> tuple[RuleDemand, ...]:
    keys: tuple[RuleDemand, ...] = ("separate",) if rule.separate else ()
    return (*keys, "order") if rule.order else keys
