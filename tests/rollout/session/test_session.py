"""The service as the runs on this machine meet it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from optimizer.errors import ClockError, ConflictError, ThrottledError
from optimizer.model.arm_id import ArmId
from optimizer.model.clock import VirtualClock
from optimizer.model.rules import Rules
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session, is_for_subscription, read_only, subscription_of
from tests.plan.estates import VAULT, standard_policy
from tests.rollout.fake_service import FakeCloud, FakeService
from tests.rollout.small_rollouts import NOW, SECOND_VAULT, world

GIVEN = world([standard_policy("one", "23:00")], {"a": "one", "b": "one"}, {"a": "02:00"}, Rules())
CREATION, MOVE = GIVEN.writes()
HERE = ArmId(VAULT)


@pytest.fixture
def session(tmp_path: Path) -> Session[FakeService]:
    """Session with a service in memory."""
    return Session(FakeService(GIVEN.document), VirtualClock(NOW + timedelta(milliseconds=5)), Ledger(tmp_path))


def throttled(code: str = "", seconds: float | None = 3600.0) -> ThrottledError:
    """An answer that asks to stay away."""
    return ThrottledError("too many requests", code=code, retry_after_seconds=seconds)


def test_calendars_count_whole_seconds(session: Session[FakeService]) -> None:
    """What is left of the second is cut off."""
    assert session.now() == NOW


def test_a_vault_that_asks_to_stay_away_is_closed(session: Session[FakeService]) -> None:
    """Only that vault, for as long as it asks; the ledger keeps it for later runs."""
    assert session.heed(HERE, throttled())
    closure = session.closure(HERE)
    assert closure is not None
    assert closure.closed_until == session.clock.now() + timedelta(hours=1)
    assert session.closure(ArmId(SECOND_VAULT)) is None
    assert not session.is_any_open([MOVE])
    assert session.is_any_open([MOVE, replace(MOVE, vault_id=SECOND_VAULT)])


def test_a_throttled_subscription_closes_its_vaults(session: Session[FakeService]) -> None:
    """Azure Resource Manager counts per subscription or tenant, Azure Backup per vault."""
    session.heed(HERE, throttled("SubscriptionRequestsThrottled"))
    assert session.closure(ArmId(SECOND_VAULT)) is not None
    assert is_for_subscription(throttled("TenantRequestsThrottled"))
    assert not is_for_subscription(throttled("UserErrorThrottled"))
    assert subscription_of(HERE) == "/" + "/".join(VAULT.split("/")[1:3])


def test_other_answers_close_nothing(session: Session[FakeService]) -> None:
    """Neither does an answer that does not say for how long."""
    assert not session.heed(HERE, throttled(seconds=None))
    assert not session.heed(HERE, ConflictError("busy", retry_after_seconds=60.0))
    assert session.closure(HERE) is None


def test_the_object_of_a_write_is_read(session: Session[FakeService]) -> None:
    """The item that a write assigns, or the policy that it creates, which does not exist yet."""
    found = session.read(MOVE)
    assert found is not None
    assert found["id"] == MOVE.object_id
    assert session.read(CREATION) is None


def test_a_wrong_clock_is_refused(session: Session[FakeService]) -> None:
    """The message names the command that is to be run again."""
    session.require_clock("apply")
    session.service.ahead = timedelta(hours=-1)
    with pytest.raises(ClockError, match=r"run 'apply' again\. Nothing was written"):
        session.require_clock("apply")


def test_each_emulator_has_a_ledger_of_its_own(tmp_path: Path) -> None:
    """Its writes never count toward the budget of the vaults that it imitates."""
    cloud = FakeCloud(FakeService(GIVEN.document), VirtualClock(NOW), tmp_path)
    assert read_only(cloud).ledger.folder == tmp_path
    assert read_only(replace(cloud, emulator="one")).ledger.folder == tmp_path / "emulators" / "one"
