"""One VM under watch, for tests of single checks: it moved to 03:00 UTC on a Tuesday evening."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from optimizer.documents import ScheduleEntry
from optimizer.model.arm_id import ArmId
from optimizer.model.rules import Rules
from optimizer.rollout.watch.due import Due, runs_between
from optimizer.rollout.watch.vault_jobs import BackupJob
from optimizer.rollout.watch.watched import Watched
from tests.plan.estates import policy_id, standard_policy, vm_id
from tests.rollout.small_rollouts import world

GIVEN = world([standard_policy("old", "23:00"), standard_policy("new", "03:00")], {"app": "old"}, {}, Rules())


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time of February 2026."""
    return datetime(2026, 2, day, hour, minute, tzinfo=UTC)


WRITTEN = at(17, 18)
(_ITEM,) = GIVEN.inventory.items
VM = Watched(
    entry=ScheduleEntry.model_construct(vm=ArmId(vm_id("app")), policy="new", start_today="23:00", start="03:00"),
    item=_ITEM,
    vault=GIVEN.inventory.vault(_ITEM),
    policy_id=ArmId(policy_id("new")),
    written_at=WRITTEN,
    recurrence=GIVEN.inventory.policy(_ITEM).recurrence,
    rpo=timedelta(hours=36),
)


def runs(option: int, until: datetime) -> list[Due]:
    """Runs of a start option since the change."""
    return runs_between(VM.recurrence, option, (0,), WRITTEN, until)


def job(start: datetime, status: str = "Completed", *, scheduled: bool = True, error: str = "") -> BackupJob:
    """Build a job."""
    return BackupJob(start, status, scheduled, error)
