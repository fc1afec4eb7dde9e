"""Write budgets: Azure's limits on policy writes and on changes of protection in a period."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.rules import PolicyLimits, Scope
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


@dataclass(frozen=True, slots=True)
class LedgerCounts:
    """State of the ledger for the last 24 hours: the writes that count, and the closed vaults.

    Parameters
    ----------
    policy_writes, item_writes
        Time and vault of each policy write, and of each assignment of a VM, by this plan and others.
    closed_until
        Time until which the service asked to stay away from a vault, by vault id.
    """

    policy_writes: Sequence[tuple[datetime, str]] = ()
    item_writes: Sequence[tuple[datetime, str]] = ()
    closed_until: Mapping[ArmId, datetime] = field(default_factory=dict)

    def budgets(self, limits: PolicyLimits) -> WriteBudgets:
        """Budgets that these writes have used in part."""
        return WriteBudgets(limits.max_writes_per_day, limits.scope, self.policy_writes, self.item_writes)

    def reopens(self, vault_id: ArmId) -> int | None:
        """First second since 1970 at which a write to a vault is possible again; None if the vault is open.

        This is one second after the end of the closure, so that the calendar never opens a lane before the executor
        does.
        """
        until = self.closed_until.get(vault_id)
        return None if until is None else to_seconds(until) + 1


class WriteBudgets:
    """Budgets of policy writes per vault or subscription, and of item writes per vault.

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
        """Budget of policy writes for a vault, which it may share with others of its subscription."""
        vault_or_subscription = shared_place(vault_id, self._scope)
        return self._policies.setdefault(vault_or_subscription, WriteBudget((self._writes_per_day, DAY_SECONDS)))

    def of_items(self, vault_id: ArmId) -> WriteBudget:
        """Budget of assignments for a vault."""
        limits = ((MOST_ITEMS_PER_DAY, DAY_SECONDS), (MOST_ITEMS_AT_ONCE, BATCH_SECONDS))
        return self._items.setdefault(vault_id, WriteBudget(*limits))


def shared_place(vault_id: ArmId, scope: Scope) -> Caseless:
    """Vault or subscription whose policy writes count together with those of a vault."""
    return vault_id if scope == "vault" else vault_id.subscription or vault_id
