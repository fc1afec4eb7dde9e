"""Access to the service for the runs on this machine: a client, the clock, and the shared ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from optimizer.errors import CloudError, ThrottledError
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.ports import BackupCloud, BackupReader, BackupService, Clock, Resource
from optimizer.rollout.session.clock_check import require_clock
from optimizer.rollout.session.ledger import Closure, Ledger, ledger_folder
from optimizer.rollout.writes.write import Write, vaults_of

ServiceT_co = TypeVar("ServiceT_co", bound=BackupReader, covariant=True)


@dataclass(frozen=True)
class Session(Generic[ServiceT_co]):
    """A client of the service, this machine's clock, and the ledger that all runs on this machine share.

    The ledger knows the writes that count toward Azure's limits, and the vaults from which the service asked to stay
    away: not even a read is sent to those. Preparing a run takes a session that can only read.

    Parameters
    ----------
    service
        Client of the service.
    clock
        Clock for the present time.
    ledger
        Ledger that the runs on this machine share.
    """

    service: ServiceT_co
    clock: Clock
    ledger: Ledger

    def now(self) -> datetime:
        """Present time in whole seconds, in which calendars count."""
        return self.clock.now().replace(microsecond=0)

    def closure(self, vault_id: ArmId) -> Closure | None:
        """Closure that keeps a vault closed the longest; None if the vault is open now."""
        return self.ledger.closed(vault_id, self.clock.now())

    def is_any_open(self, writes: Iterable[Write]) -> bool:
        """Whether any of the writes is for a vault that is open now."""
        return any(not self.closure(vault_id) for vault_id in vaults_of(writes))

    def heed(self, vault_id: ArmId, exc: CloudError) -> bool:
        """Record for how long an answer asks to stay away; returns whether it asks for that.

        Raises
        ------
        EstateError
            The ledger cannot be written.
        """
        if not isinstance(exc, ThrottledError) or not exc.retry_after_seconds:
            return False
        closed_id = subscription_of(vault_id) if is_for_subscription(exc) else vault_id
        self.stay_away(closed_id, exc.retry_after_seconds, str(exc))
        return True

    def stay_away(self, place: ArmId, seconds: float, reason: str) -> None:
        """Record, for later runs too, that the service asked to stay away from a vault or a subscription.

        Raises
        ------
        EstateError
            The ledger cannot be written.
        """
        self.ledger.close(place, self.clock.now() + timedelta(seconds=seconds), reason)

    def require_clock(self, command: str) -> None:
        """Refuse to continue if this machine's clock is wrong; see :func:`require_clock`."""
        require_clock(self.service, self.clock, command)

    def read(self, write: Write) -> Resource | None:
        """Object of a write as it is now; None if it does not exist.

        Raises
        ------
        CloudError
            The service cannot be read.
        """
        if write.kind == "reassign_item":
            return self.service.get_item(write.object_id)
        return self.service.get_policy(write.object_id)


ReadSession = Session[BackupReader]
"""A session that cannot write."""

WriteSession = Session[BackupService]
"""A session that can also write."""


def read_only(cloud: BackupCloud) -> ReadSession:
    """Session with a cloud that can only read."""
    return Session(cloud.reader(), cloud.clock, Ledger(ledger_folder(cloud)))


def writable(cloud: BackupCloud) -> WriteSession:
    """Session with a cloud that can also write."""
    return Session(cloud.service(), cloud.clock, Ledger(ledger_folder(cloud)))


def is_for_subscription(exc: ThrottledError) -> bool:
    """Whether a throttling answer applies to the whole subscription.

    Azure Resource Manager throttles a subscription or a tenant; Azure Backup throttles a vault.
    """
    return any(word in Caseless(exc.code).key for word in ("subscription", "tenant"))


def subscription_of(vault_id: ArmId) -> ArmId:
    """ARM id of a vault's subscription: ``/subscriptions/ID``."""
    return ArmId("/".join(vault_id.split("/")[:3]))
