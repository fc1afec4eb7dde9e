"""A backup service that carries out one request late, and refuses others for the same object meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from optimizer.errors import CloudError, ConflictError, UncertainError
from optimizer.model.clock import VirtualClock
from optimizer.ports import Accepted, Resource
from tests.rollout.fake_service import FakeService


def locked() -> CloudError:
    """Build the refusal of a request for an object whose operation is in progress."""
    return ConflictError("another operation is in progress", code="BMSUserErrorObjectLocked")


@dataclass
class LateService(FakeService):
    """A service that accepts the first request for an item, loses the answer, and carries it out later.

    Parameters
    ----------
    clock
        Shows when the request takes effect.
    delay
        Time until it does.
    refusal
        Builds the refusal of other requests for that item until then.
    """

    clock: VirtualClock = field(kw_only=True)
    delay: timedelta = field(kw_only=True)
    refusal: Callable[[], CloudError] = field(default=locked, kw_only=True)
    late: str = ""
    """Id of the item whose request is carried out late."""
    due: datetime | None = None
    _effect: Callable[[], None] | None = None

    def advance(self) -> None:
        """Carry out what is due."""
        if self.due is not None and self._effect is not None and self.clock.now() >= self.due:
            self.due = None
            self._effect()

    def get_item(self, item_id: str) -> Resource | None:
        """An item as it is now."""
        self.advance()
        return super().get_item(item_id)

    def list_items(self, vault_id: str) -> list[Resource]:
        """Items of a vault as they are now."""
        self.advance()
        return super().list_items(vault_id)

    def _write(self, kind: str, object_id: str, effect: Callable[[], None]) -> Accepted | None:
        self.advance()
        if kind == "item" and not self.late:
            self.late, self.due, self._effect = object_id, self.clock.now() + self.delay, effect
            raise UncertainError("the connection was lost")
        if object_id == self.late and self.due is not None:
            raise self.refusal()
        return super()._write(kind, object_id, effect)
