"""Notes on policies that Azure treats in a special way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from optimizer.arm import policy_of
from optimizer.documents import Change, EditPolicy, PlanDocument, ReassignItem
from optimizer.estate import EstateDocument
from optimizer.model.inventory import Inventory, Policy, ProtectedItem
from optimizer.model.phrases import some_of
from optimizer.model.raw import properties_of
from optimizer.model.rules import Rules

_SHOWN = 3
"""Maximum number of policies that a note lists."""


def notes_on_policies(inventory: Inventory, rules: Rules) -> list[str]:
    """Notes on VMs with policies that Azure would refuse or manages itself, and on VMs with agentless snapshots.

    Parameters
    ----------
    inventory
        The estate.
    rules
        Rules, for their setting for agentless policies.
    """
    notes = [
        f"{_count(len(items), 'VM')} on {_named(inventory, policies)}: never written, because Azure refuses such a "
        f"policy when it is created or changed: {reason}. Correct the policy in the portal, then read the estate again"
        for reason, (policies, items) in _refused(inventory).items()
    ]
    default, vms = _used(inventory, [policy for policy in inventory.policies.values() if policy.is_default])
    if vms:
        notes.append(
            f"{_count(vms, 'VM')} on {_named(inventory, default)}: Azure manages default policies itself, so a plan "
            "never edits them; it assigns the VMs that move to other policies"
        )
    agentless, vms = _used(inventory, [policy for policy in inventory.policies.values() if policy.is_agentless])
    if vms and not rules.threshold.agentless:
        notes.append(
            f"{_count(vms, 'VM')} on {_named(inventory, agentless)}: agentless snapshots do not depend on the guest, "
            "so load does not put these backups at risk; their overlap counts. To count their risk as well, set "
            "agentless = true under [threshold]"
        )
    return notes


def notes_on_names(changes: Sequence[Change], rules: Rules) -> list[str]:
    """Note on edited policies whose names state the time that they had before.

    Parameters
    ----------
    changes
        Changes of the plan.
    rules
        Rules, for whether such policies are cloned where possible.
    """
    wrong = [change for change in changes if isinstance(change, EditPolicy) and change.is_misnamed]
    if not wrong:
        return []
    shown = ", ".join(f"{change.policy!r} starts at {change.start}" for change in wrong[:_SHOWN])
    more = f" and {_count(len(wrong) - _SHOWN, 'more', 'more')}" if len(wrong) > _SHOWN else ""
    keep = "policy keeps a name that states its" if len(wrong) == 1 else "policies keep names that state their"
    way = (
        "there is no clone because the vault has no place for another policy (max_policies_per_vault), or because the "
        "number of policy writes would change"
        if rules.policies.clone_misnamed
        else "to create a policy with the right name instead and move the VMs to it, set clone_misnamed = true under "
        "[policies]"
    )
    return [f"{len(wrong):,} edited {keep} old time ({shown}{more}). Azure cannot rename a policy; {way}"]


def notes_on_emptied(plan: PlanDocument, document: EstateDocument) -> list[str]:
    """Name the policies that a plan leaves without protected items, and what to do with them.

    Parameters
    ----------
    plan
        The plan.
    document
        Estate of the plan, with every protected item, planned or not.
    """
    moves = [change for change in plan.changes if isinstance(change, ReassignItem)]
    left = Counter(policy_of(properties_of(item)) for item in document.protected_items)
    left.subtract(change.policy_today_id for change in moves)
    left.update(change.policy_id for change in moves)
    names = {change.policy_today_id: change.policy_today for change in moves}
    emptied = sorted(name for key, name in names.items() if left[key] <= 0)
    if not emptied:
        return []
    have, them = ("policy has", "it") if len(emptied) == 1 else ("policies have", "them")
    note = (
        f"{len(emptied):,} {have} no VM left after this plan: {some_of(emptied, _SHOWN)}. A plan never "
        "deletes a policy, because 'rollback' may need it. When you no longer want to roll back, delete "
        f"{them} in the portal, or keep {them} for later plans"
    )
    return [note]


def _refused(inventory: Inventory) -> dict[str, tuple[list[Policy], list[ProtectedItem]]]:
    """Policies that Azure runs but would refuse to write, with their VMs, by the reason."""
    found: dict[str, tuple[list[Policy], list[ProtectedItem]]] = {}
    for key, rows in inventory.items_by_policy.items():
        policy = inventory.policies[key]
        if policy.refused and rows:
            policies, items = found.setdefault(policy.refused, ([], []))
            policies.append(policy)
            items += [inventory.items[row] for row in rows]
    return found


def _used(inventory: Inventory, policies: Sequence[Policy]) -> tuple[list[Policy], int]:
    """The policies that have scheduled VMs, and the number of these VMs."""
    rows = {policy.id: len(inventory.items_by_policy[policy.id]) for policy in policies}
    return [policy for policy in policies if rows[policy.id]], sum(rows.values())


def _named(inventory: Inventory, policies: Sequence[Policy]) -> str:
    """Policies with their vaults, limited to the first few."""
    names = [f"{policy.name!r} (vault {inventory.vault(policy).name!r})" for policy in policies]
    more = len(names) - _SHOWN
    shown = ", ".join(names[:_SHOWN]) + (f" and {_count(more, 'more policy', 'more policies')}" if more > 0 else "")
    return f"{'policy' if len(policies) == 1 else 'policies'} {shown}"


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"
