"""Writes exemptions of VMs from a rule as a planner would: in the rule's key ``except``."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule
from optimizer.model.selectors import Selector, fits

TOML_WIDTH = 88
"""Maximum number of characters in a line; longer lists are broken between their sets, which TOML allows."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def exempted(rule: Rule, inventory: Inventory, rows: Sequence[int]) -> Rule:
    """Return the rule with some more VMs exempted.

    Parameters
    ----------
    rule
        The rule; its present exemptions stay.
    inventory, rows
        The estate, and the indices of the VMs to exempt.
    """
    names = [Caseless(inventory.vm(item).name) for item in inventory.items]
    others: defaultdict[Caseless, list[int]] = defaultdict(list)
    wanted = frozenset(rows)
    for row, name in enumerate(names):
        if row not in wanted:
            others[name].append(row)
    sets = list(rule.exempt)
    for row in rows:
        vm_set = _set_of_one(inventory, row, others.get(names[row], []))
        if vm_set not in sets:
            sets.append(vm_set)
    return rule.model_copy(update={"exempt": tuple(sets)})


def _set_of_one(inventory: Inventory, row: int, namesakes: Sequence[int]) -> str | Selector:
    """A VM by its name; if other VMs have the same name, with as many criteria as needed to tell them apart."""
    item = inventory.items[row]
    vm, vault = inventory.vm(item), inventory.vault(item)
    criteria: dict[str, str] = {"name": vm.name}
    written: str | Selector = vm.name
    for key, value in (
        ("resource_group", vm.resource_group),
        ("subscription", vm.subscription),
        ("vault", vault.name),
    ):
        if not any(_fits(inventory, other, written) for other in namesakes):
            break
        criteria |= {key: value} if value else {}
        written = Selector.model_validate(criteria)
    return written


def _fits(inventory: Inventory, row: int, written: str | Selector) -> bool:
    item = inventory.items[row]
    return fits(written, inventory.vm(item), inventory.vault(item), inventory.policy(item).recurrence.frequency)


def except_as_toml(rule: Rule) -> str:
    """The key ``except`` of a rule as TOML, on as many lines as it needs."""
    sets = [set_as_toml(vm_set) for vm_set in rule.exempt]
    whole = f"except = [{', '.join(sets)}]"
    if len(whole) <= TOML_WIDTH:
        return whole
    lines = ["except = ["]
    for vm_set in sets:
        if len(lines) > 1 and len(lines[-1]) + len(vm_set) + 2 <= TOML_WIDTH:
            lines[-1] += f" {vm_set},"
        else:
            lines.append(f"    {vm_set},")
    return "\n".join([*lines, "]"])


def set_as_toml(written: str | Selector) -> str:
    """A set of VMs as TOML."""
    return _toml(written.model_dump(mode="json") if isinstance(written, Selector) else written)


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(key))} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
