"""Write budgets: Azure's limits on policy writes and on changes of protection in a period."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from datetime import datetime

from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.rules import Scope
from optimizer.rollout.calendar.spans import to_seconds

DAY_SECONDS = 86_400

MOST_ITEMS_PER_DAY = 1000
"""Maximum number of changes of protection per vault and day (Azure Backup FAQ, 2025-12-30)."""

MOST_ITEMS_AT_ONCE = 199
"""Maximum number of VMs of a vault that are assigned at once: 200 or more may delay backups by hours.

See "When a write may be made" in docs/azure.md.
"""

BATCH_SECONDS = 3600
"""Period in seconds within which assignments count as made at once: one hour."""


class WriteBudget:
    """Limit on the number of writes in any period of given lengths.

    Parameters
    ----------
    limits
        Pairs of the maximum number of writes and the length of the period in seconds.
    """

    def __init__(self, *limits: tuple[int, int]) -> None:
        self._limits = limits
        self._made: list[int] = []

    def add(self, second: int) -> None:
        """Count a write at a time in seconds since 1970."""
        insort(self._made, second)

    def free_at(self, second: int) -> int:
        """First second, from a given one on, at which one more write keeps every limit."""
        for most, period in self._limits:
            if len(self._made) >= most:
                second = max(second, self._made[-most] + period)
        return second


class WriteBudgets:
    """WriteBudgets of policy writes per vault or subscription, and of item writes per vault.

    Parameters
    ----------
    writes_per_day, scope
        Maximum number of policies that may be created or edited in any 24 h, and whether that is per vault or per
        subscription.
    policy_writes, item_writes
        Time and vault of the policy writes and of the assignments of VMs so far.
    """

    def __init__(
        self,
        writes_per_day: int,
        scope: Scope,
        policy_writes: Iterable[tuple[datetime, str]] = (),
        item_writes: Iterable[tuple[datetime, str]] = (),
    ) -> None:
        self._writes_per_day = writes_per_day
        self._scope = scope
        self._policies: dict[Caseless, WriteBudget] = {}
        self._items: dict[ArmId, WriteBudget] = {}
        for at, vault_id in policy_writes:
            self.of_policies(ArmId(vault_id)).add(to_seconds(at))
        for at, vault_id in item_writes:
            self.of_items(ArmId(vault_id)).add(to_seconds(at))

    def of_policies(self, vault_id: ArmId) -> WriteBudget:
        """WriteBudget of policy writes for a vault, which it may share with others of its subscription."""
        place = vault_id if self._scope == "vault" else vault_id.subscription or vault_id
        return self._policies.setdefault(place, WriteBudget((self._writes_per_day, DAY_SECONDS)))

    def of_items(self, vault_id: ArmId) -> WriteBudget:
        """WriteBudget of assignments for a vault."""
        limits = ((MOST_ITEMS_PER_DAY, DAY_SECONDS), (MOST_ITEMS_AT_ONCE, BATCH_SECONDS))
        return self._items.setdefault(vault_id, WriteBudget(*limits))
