"""Vaults from which the service asked to stay away; not even a read is sent to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from optimizer.errors import CloudError, ThrottledError
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.ports import Clock
from optimizer.rollout.session.ledger import Closure, Ledger


def is_for_subscription(exc: ThrottledError) -> bool:
    """Whether a throttling answer applies to the whole subscription.

    Azure Resource Manager throttles a subscription or a tenant; Azure Backup throttles a vault.
    """
    return any(word in Caseless(exc.code).key for word in ("subscription", "tenant"))


@dataclass(frozen=True)
class Closures:
    """Which vaults are closed because of earlier answers.

    Parameters
    ----------
    ledger
        Ledger that keeps these requests, for later runs too.
    clock
        Clock for the present time.
    """

    ledger: Ledger
    clock: Clock

    def of(self, vault_id: ArmId) -> Closure | None:
        """Closure that keeps a vault closed the longest; None if the vault is open now."""
        return self.ledger.closed(vault_id, self.clock.now())

    def heed(self, vault_id: ArmId, exc: CloudError) -> bool:
        """Record for how long an answer asks to stay away; returns whether it asks for that.

        Raises
        ------
        EstateError
            The ledger cannot be written.
        """
        if not isinstance(exc, ThrottledError) or not exc.retry_after_seconds:
            return False
        place = ArmId("/".join(vault_id.split("/")[:3])) if is_for_subscription(exc) else vault_id
        self.ledger.close(place, self.clock.now() + timedelta(seconds=exc.retry_after_seconds), str(exc))
        return True
