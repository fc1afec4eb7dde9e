"""VMs that a rule applies to, the immovable ones among them, and the groups in which the rule counts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.model.inventory import Inventory, ProtectedItem, Vault, Vm
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import Frequency


def rules_of(inventory: Inventory, rules: Rules, item: ProtectedItem) -> list[Rule]:
    """Rules that apply to the VM of an item."""
    vm, vault = inventory.vm(item), inventory.vault(item)
    frequency = inventory.policy(item).recurrence.frequency
    return [rule for rule in rules.rule if is_under(rule, vm, vault, frequency)]


def is_under(rule: Rule, vm: Vm, vault: Vault, frequency: Frequency) -> bool:
    """Whether ``where`` selects a VM for a rule and no set of ``except`` exempts it."""
    if not rule.where.matches(vm, vault, frequency):
        return False
    for exemption in rule.exempt:
        criteria = Selector(name=exemption) if isinstance(exemption, str) else exemption
        if criteria.matches(vm, vault, frequency):
            return False
    return True


def stays(item: ProtectedItem, rules: Sequence[Rule]) -> bool:
    """Whether a VM is immovable: pinned, excluded, or unwritable because of its state in Azure.

    Parameters
    ----------
    item
        Item of the VM.
    rules
        Rules that apply to the VM.
    """
    return bool(item.unwritable) or any(rule.pin or rule.exclude for rule in rules)


@dataclass(frozen=True, slots=True)
class CappedGroup:
    """A rule that counts windows, and the group in which it counts a VM."""

    rule: Rule
    group: str

    @property
    def cap(self) -> int:
        """Maximum number of windows that may overlap."""
        return self.rule.max_concurrent if self.rule.max_concurrent is not None else 1


def capped_groups(inventory: Inventory, rules: Rules, item: ProtectedItem) -> list[CappedGroup]:
    """Rules that count the windows of an item, each with the service or vault within which it counts them."""
    counting = [rule for rule in rules.rule if rule.max_concurrent is not None or rule.separate is True]
    if not counting:
        return []
    vm, vault, frequency = inventory.vm(item), inventory.vault(item), inventory.policy(item).recurrence.frequency
    return [
        CappedGroup(rule, counted_within(rule, inventory, item))
        for rule in counting
        if is_under(rule, vm, vault, frequency)
    ]


def counted_within(rule: Rule, inventory: Inventory, item: ProtectedItem) -> str:
    """Service or vault within which a rule counts an item; empty if the rule counts all its VMs together."""
    if rule.per is None and rule.separate is True:
        return ""
    vm = inventory.vm(item)
    return item.vault_id.key if rule.per == "vault" else vm.service or str(vm.id)
