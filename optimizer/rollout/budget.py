"""How many writes may be made in a time: Azure's limits on policy writes and on changes of protection."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from datetime import datetime

from optimizer.model.rules import Scope
from optimizer.rollout.spans import to_seconds

DAY_SECONDS = 86_400

MOST_ITEMS_PER_DAY = 1000
"""Changes of protection per vault and day (Azure Backup FAQ, 2025-12-30)."""

MOST_ITEMS_AT_ONCE = 199
"""Items of a vault that are assigned in one go: 200 and more may delay backups by hours (azure-facts, section 2)."""

BATCH_SECONDS = 3600
"""What counts as one go."""


class Budget:
    """A limit on the number of writes in any period of some lengths.

    Parameters
    ----------
    limits
        Most writes, and the length of the period in seconds.
    """

    def __init__(self, *limits: tuple[int, int]) -> None:
        self._limits = limits
        self._made: list[int] = []

    def add(self, second: int) -> None:
        """Count a write."""
        insort(self._made, second)

    def free_at(self, second: int) -> int:
        """First time from a second on at which one more write keeps every limit."""
        for most, period in self._limits:
            if len(self._made) >= most:
                second = max(second, self._made[-most] + period)
        return second


class Budgets:
    """Budgets of policy writes by vault or subscription, and of item writes by vault.

    Parameters
    ----------
    writes_per_day, scope
        Policies that may be created or edited in any 24 h, and where that is counted.
    policy_writes, item_writes
        When and in which vault policies were written and VMs were assigned already.
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
        self._policies: dict[str, Budget] = {}
        self._items: dict[str, Budget] = {}
        for at, vault_id in policy_writes:
            self.of_policies(vault_id).add(to_seconds(at))
        for at, vault_id in item_writes:
            self.of_items(vault_id).add(to_seconds(at))

    def of_policies(self, vault_id: str) -> Budget:
        """Budget of policy writes that a vault shares."""
        place = vault_id.lower()
        if self._scope == "subscription":
            place = place.partition("/resourcegroups/")[0]
        return self._policies.setdefault(place, Budget((self._writes_per_day, DAY_SECONDS)))

    def of_items(self, vault_id: str) -> Budget:
        """Budget of assignments of a vault."""
        limits = ((MOST_ITEMS_PER_DAY, DAY_SECONDS), (MOST_ITEMS_AT_ONCE, BATCH_SECONDS))
        return self._items.setdefault(vault_id.lower(), Budget(*limits))
