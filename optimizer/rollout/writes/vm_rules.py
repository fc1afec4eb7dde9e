"""Rules that keep single VMs from a start: rule windows, pins, exclusions, and the state of the protected item."""

from __future__ import annotations

from optimizer.model.arrays import BoolArray
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule, Rules
from optimizer.model.window_options import options_allowed


class VmRules:
    """Constraints that keep single VMs from a start: windows of rules, pins, exclusions, and the state of the item."""

    def __init__(self, inventory: Inventory, rules: Rules) -> None:
        self._inventory = inventory
        self._rules = [rule for rule in rules.rule if rule.allow or rule.forbid or rule.pin or rule.exclude]
        self._of_row: dict[int, list[Rule]] = {}
        self._allowed: dict[tuple[object, ...], BoolArray] = {}

    def against(self, row: int, option: int) -> str:
        """Reason why an item must not move to a start option; empty if it may."""
        item = self._inventory.items[row]
        if item.unwritable:
            return f"must not be written: {item.unwritable}"
        for rule in self._matching(row):
            if rule.pin or rule.exclude:
                return f"rule {rule.name!r} requires it to stay"
            if not self._options(rule, row)[option]:
                return f"against rule {rule.name!r}"
        return ""

    def _matching(self, row: int) -> list[Rule]:
        if row not in self._of_row:
            item = self._inventory.items[row]
            vm, vault = self._inventory.vm(item), self._inventory.vault(item)
            frequency = self._inventory.policy(item).recurrence.frequency
            self._of_row[row] = [rule for rule in self._rules if rule.is_for(vm, vault, frequency)]
        return self._of_row[row]

    def _options(self, rule: Rule, row: int) -> BoolArray:
        policy = self._inventory.policy(self._inventory.items[row])
        key = (rule.name, policy.recurrence, policy.timezone, self._inventory.timing(policy))
        if key not in self._allowed:
            pattern = self._inventory.pattern(policy)
            self._allowed[key] = options_allowed(rule, pattern, policy.timezone, self._inventory.horizon)
        return self._allowed[key]
