"""Notes of plans and audits on the weights that rules give to VMs."""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.model.inventory import Inventory
from optimizer.model.phrases import counted
from optimizer.model.rule_matches import matching_items
from optimizer.model.rules import Rules
from optimizer.model.weights import item_weights


def notes_on_weights(inventory: Inventory, rules: Rules) -> Iterator[str]:
    """State for each rule with a weight how many VMs it weighs, and for how many another rule has a larger weight."""
    weights = item_weights(inventory, rules)
    for rule in rules.rule:
        if rule.weight is None:
            continue
        matching = matching_items(inventory, rule)
        counts = int((matching & (weights == rule.weight)).sum())
        beaten = int((matching & (weights > rule.weight)).sum())
        if counts and rule.weight != 1:
            yield (
                f"rule {rule.name!r}: at-risk backups and overlaps of {counted(counts, 'VM', 'VMs')} count "
                f"{rule.weight:g} times; costs include this, plain figures do not"
            )
        if beaten:
            yield (
                f"the weight {rule.weight:g} of rule {rule.name!r} does not count for {counted(beaten, 'VM', 'VMs')}, "
                "because another rule gives a larger weight"
            )
