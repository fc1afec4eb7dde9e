"""Conditions under which a write may be sent now."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from optimizer.model.arm_id import ArmId
from optimizer.model.clock import VirtualClock
from optimizer.model.rules import PolicyLimits, Rules
from optimizer.rollout.calendar.budget import MOST_ITEMS_AT_ONCE
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.rollout.carry_out.conditions import Conditions
from optimizer.rollout.session.ledger import CountedWrite, Ledger
from optimizer.rollout.session.session import Session
from optimizer.rollout.writes.baseline import Baseline
from optimizer.rollout.writes.states import policy_state
from tests.plan.estates import VAULT, standard_policy
from tests.rollout.fake_service import FakeService
from tests.rollout.small_rollouts import NOW, SECOND_VAULT, world

GIVEN = world(
    [standard_policy("one", "23:00")],
    {"a": "one", "b": "one"},
    {"a": "02:00"},
    Rules(policies=PolicyLimits(max_writes_per_day=2, scope="subscription")),
)
CREATION, MOVE = GIVEN.writes()


@pytest.fixture
def service() -> FakeService:
    """Service with the estate."""
    return FakeService(GIVEN.document)


@pytest.fixture
def conditions(service: FakeService, tmp_path: Path) -> Conditions:
    """Conditions at nine in the morning."""
    session = Session(service, VirtualClock(NOW), Ledger(tmp_path))
    baseline = Baseline(GIVEN.inventory, GIVEN.rules)
    return Conditions(session, baseline, WriteWindows(baseline.inventory, baseline.rules))


def count(conditions: Conditions, at: datetime, vault: str = VAULT, number: int = 1, kind: str = "policy") -> None:
    """Count writes in the ledger."""
    for _ in range(number):
        conditions.session.ledger.add(CountedWrite.model_validate({"at": at, "vault_id": vault, "kind": kind}))


def test_the_time_is_right_if_clock_vault_and_window_are(conditions: Conditions, service: FakeService) -> None:
    """A wrong clock, a closed vault and a recovery point that is too old each close the window."""
    assert conditions.window(MOVE, {}) == ""
    (vm,) = MOVE.vms
    assert "h between two recovery points" in conditions.window(MOVE, {vm: NOW - timedelta(hours=20)})
    conditions.session.ledger.close(VAULT, NOW + timedelta(hours=1), "few hours")
    assert conditions.window(MOVE, {}) == "closed until 2026-02-18 10:00 UTC, as the service asked: few hours"
    service.ahead = timedelta(hours=1)
    assert conditions.window(MOVE, {}).startswith("this machine's clock is 1 h ahead of the service's")


def test_policy_writes_of_the_subscription_count_for_a_day(conditions: Conditions) -> None:
    """Those of another vault count as well, those of more than 24 hours ago do not; moves have their own budget."""
    count(conditions, NOW - timedelta(hours=25))
    count(conditions, NOW - timedelta(hours=23))
    assert conditions.room(CREATION) == ""
    count(conditions, NOW, SECOND_VAULT)
    assert conditions.room(CREATION) == "the budget of policy writes for 24 hours is used up"
    assert conditions.room(MOVE) == ""


def test_too_many_assignments_within_an_hour_wait(conditions: Conditions) -> None:
    """Assignments in other vaults do not count."""
    ledger = conditions.session.ledger
    count(conditions, NOW, SECOND_VAULT, 1, "item")
    recent = [CountedWrite(at=NOW - timedelta(minutes=5), vault_id=ArmId(VAULT), kind="item")] * MOST_ITEMS_AT_ONCE
    ledger._writes += recent  # adding them one by one would sync the disk 199 times
    assert "199 VMs of the vault were assigned within an hour" in conditions.room(MOVE)


def test_a_running_job_keeps_its_vm_waiting(conditions: Conditions, service: FakeService) -> None:
    """Without a job, nothing is busy."""
    assert conditions.busy(MOVE) == ""
    name = {"entityFriendlyName": "a", "containerName": "iaasvmcontainerv2;rg-app;a", "status": "InProgress"}
    service.jobs = [{"id": f"{VAULT}/backupJobs/1", "properties": name}]
    assert conditions.busy(MOVE) == "a job of a is in progress"


def test_a_policy_must_be_as_it_is_or_as_the_run_leaves_it(conditions: Conditions) -> None:
    """What is assigned to a created policy relies on the body that the run sends."""
    targets = conditions.surroundings(GIVEN.writes()).targets
    (policy,) = GIVEN.inventory.policies.values()
    assert targets[policy.id] == policy_state(policy.properties)
    assert targets[CREATION.object_id] == policy_state(CREATION.body)
