"""Checks of the policies of a plan: twins, limits, edits, and the number of policy writes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.inventory import Inventory, Policy
from optimizer.model.policy_limits import vm_limit
from optimizer.verifier.checked import Checked


def check_items(checked: Checked) -> list[str]:
    """Check that the plan keeps every item, in its vault and in its order, and every policy."""
    before = [(item.vm_id, item.vault_id) for item in checked.before.items]
    after = [(item.vm_id, item.vault_id) for item in checked.after.items]
    if before != after or len(before) != len(checked.starts):
        return ["the plan loses, adds or swaps items"]
    gone = checked.before.policies.keys() - checked.after.policies.keys()
    return [f"the plan loses policy {policy_id}" for policy_id in sorted(gone)]


def check_policies(checked: Checked) -> Iterator[str]:
    """Check that starts match the policies, that policies are twins, that limits hold, and that no excess grows."""
    for row in range(len(checked.before.items)):
        yield from _check_policy_of(checked, row)
    yield from _check_sizes(checked)
    for vault_id in checked.after.vaults:
        count, count_before = (inventory.policies_in_vault(vault_id) for inventory in (checked.after, checked.before))
        if count > max(checked.rules.policies.max_policies_per_vault, count_before):
            yield f"vault {vault_id} holds {count} policies"
    for policy_id, policy in checked.before.policies.items():
        if checked.after.policies[policy_id].start != policy.start:
            yield from _check_edit(checked, policy)


def _check_policy_of(checked: Checked, row: int) -> Iterator[str]:
    """Check the policy that one item has after the plan."""
    item = checked.before.items[row]
    old, new = checked.before.policy(item), checked.after.policy(checked.after.items[row])
    if new.start != checked.options[row]:
        yield f"{item.vm_id}: the schedule says {checked.starts[row]}, policy {new.name!r} another time"
    if new.twin_key != old.twin_key or new.vault_id != old.vault_id:
        yield f"{item.vm_id}: policy {new.name!r} is not a twin of {old.name!r}"
    if item.unwritable and (new.id != old.id or new.start != old.start):
        yield f"{item.vm_id}: is written although {item.unwritable}"
    if new.id != old.id and (held := _held_by_rules(checked, row)):
        yield f"{item.vm_id}: is written although it is {held}"


def _held_by_rules(checked: Checked, row: int) -> str:
    """How rules hold a VM at its start; empty if none does."""
    rules = checked.rules_by_row[row]
    if any(rule.exclude for rule in rules):
        return "excluded"
    return "pinned" if any(rule.pin for rule in rules) else ""


def _check_sizes(checked: Checked) -> Iterator[str]:
    """Check that no policy protects more VMs than its limit, except for those that it protects today."""
    before, most = _members(checked.before), vm_limit(checked.rules.policies, checked.before)
    for policy_id, members in _members(checked.after).items():
        size = len(members) + checked.before.unknown_items.get(policy_id, 0)
        limit = most.existing if policy_id in checked.before.policies else most.new
        if size > limit and not members <= before[policy_id]:
            yield f"policy {policy_id} holds {size} VMs, and not only those of today"


def _members(inventory: Inventory) -> defaultdict[ArmId, set[ArmId]]:
    """VMs of each policy."""
    members: defaultdict[ArmId, set[ArmId]] = defaultdict(set)
    for item in inventory.items:
        members[item.policy_id].add(item.vm_id)
    return members


def _check_edit(checked: Checked, policy: Policy) -> Iterator[str]:
    """Check that a policy that gets another time may be edited, and has no unplanned items."""
    unplanned = checked.before.unknown_items.get(policy.id, 0)
    if not checked.rules.policies.edit:
        yield f"policy {policy.name!r} is edited although policies.edit is false"
    if policy.is_default:
        yield f"policy {policy.name!r} is edited although Azure manages default policies itself"
    if policy.one_way:
        yield f"policy {policy.name!r} is edited although Azure would refuse its present body"
    if unplanned:
        yield f"policy {policy.name!r} is edited although it holds {unplanned} items that are not in the estate"


def check_policy_writes(checked: Checked) -> Iterator[str]:
    """Check that no more policies are created or edited than the rules allow, in total and per place of the budget."""
    rules, written = checked.rules, _writes_by_place(checked)
    if rules.max_policy_writes is not None and written.total() > rules.max_policy_writes:
        yield f"{written.total()} policies are written, allowed are {rules.max_policy_writes}"
    if rules.budget_days is not None:
        most = rules.budget_days * rules.policies.max_writes_per_day
        for place, count in written.items():
            if count > most:
                yield f"{count} policies are written in {place}, allowed are {most} in {rules.budget_days} days"


def _writes_by_place(checked: Checked) -> Counter[Caseless]:
    """Number of policies that are created or edited in each vault or subscription, whichever the budget counts."""
    written: Counter[Caseless] = Counter()
    for policy_id, policy in checked.after.policies.items():
        old = checked.before.policies.get(policy_id)
        if old is None or old.start != policy.start:
            vault = checked.before.vault(policy)
            in_vault = checked.rules.policies.scope == "vault" or not vault.subscription
            written[vault.id if in_vault else vault.subscription] += 1
    return written
