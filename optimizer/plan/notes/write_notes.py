"""Notes on the policy writes of a plan: how many days they take, and which of them only make room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from optimizer.documents import Change, ReassignItem
from optimizer.model.inventory import Inventory
from optimizer.model.rules import PolicyLimits


def notes_on_detours(detours: int) -> Iterator[str]:
    """Yield a note on the policies that are created only so that full policies can swap VMs."""
    if detours:
        extra = "1 extra policy is" if detours == 1 else f"{detours} extra policies are"
        yield (
            f"{extra} created so that full policies can swap VMs without exceeding their limit; the cost includes this"
        )


def notes_on_days(inventory: Inventory, limits: PolicyLimits, changes: Sequence[Change]) -> Iterator[str]:
    """Yield a note on the least number of days that the policy writes take, if that is more than one."""
    written = [inventory.vaults[change.vault_id] for change in changes if not isinstance(change, ReassignItem)]
    in_vault = limits.scope == "vault"
    by_place = Counter(vault.id if in_vault else vault.subscription or vault.id for vault in written)
    days = -(-max(by_place.values(), default=0) // limits.max_writes_per_day)
    if days > 1:
        yield f"the policy writes take at least {days} days, at {limits.max_writes_per_day} per day and {limits.scope}"
