"""What changed in Azure since the plan, and what of the plan still holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from optimizer.errors import StalePlanError
from optimizer.model.arm_id import ArmId
from optimizer.model.clock import VirtualClock
from optimizer.rollout.prepare.freshness import Freshness, compare_with_service
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from tests.plan.estates import VAULT, item, policy_id, standard_policy
from tests.rollout.conftest import Ready
from tests.rollout.fake_service import FakeService


@pytest.fixture
def compare(planned: Ready, tmp_path: Path) -> Callable[[FakeService], Freshness]:
    """Function that compares the planned estate with a service."""

    def compared(service: FakeService) -> Freshness:
        session = Session(service, VirtualClock(planned.noon), Ledger(tmp_path))
        pending = {write.number for write in planned.writes}
        return compare_with_service(planned.document, planned.writes, session, pending=pending)

    return compared


def test_an_unchanged_service_is_fresh(planned: Ready, compare: Callable[[FakeService], Freshness]) -> None:
    """Counts, eTags and the spelling of ids and times are no change."""
    service = FakeService(planned.document)
    for policy in service.policies.values():
        policy["eTag"] = "new"
        policy["properties"]["protectedItemsCount"] = 77
        policy["properties"]["resourceGuardOperationRequests"] = None
    for resource in service.items.values():
        resource["properties"]["policyId"] = resource["properties"]["policyId"].upper()
        resource["properties"]["lastBackupTime"] = "2026-02-17T01:00:00Z"
    found = compare(service)
    assert not found.broken
    assert not found.remarks
    assert found.holds == (VAULT,)


def moved(service: FakeService, name: str) -> None:
    key = next(key for key in service.items if key.endswith(name))
    service.items[key]["properties"]["policyId"] = policy_id("nobody-else")


def stopped(service: FakeService, name: str) -> None:
    key = next(key for key in service.items if key.endswith(name))
    service.items[key]["properties"]["protectionState"] = "ProtectionStopped"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.policies[policy_id("nightly").lower()]["properties"].update(timeZone="Tokyo"), "timeZone"),
        (lambda s: s.policies.pop(policy_id("nightly").lower()), "'nightly' is gone"),
        (lambda s: [s.items.pop(key) for key in list(s.items) if ";app-" in key], "no longer protected"),
        (lambda s: [moved(s, f"app-{n:02d}") for n in range(10)], "was moved from policy nightly to nobody-else"),
        (lambda s: [stopped(s, f"app-{n:02d}") for n in range(10)], "ProtectionStopped"),
    ],
    ids=["policy changed", "policy gone", "item gone", "item moved", "stopped"],
)
def test_a_change_of_what_the_plan_relies_on_makes_it_stale(
    planned: Ready, compare: Callable[[FakeService], Freshness], change, said: str
) -> None:  # type: ignore[no-untyped-def]
    """The refusal names the vault and the change, and says what to do."""
    service = FakeService(planned.document)
    change(service)
    with pytest.raises(StalePlanError) as caught:
        compare(service).require("plan.json")
    text = str(caught.value)
    assert said in text
    assert "rsv-one" in text
    assert "run 'pull' and then 'plan'" in text
    assert caught.value.exit_code == 4


def test_a_change_elsewhere_is_a_remark(planned: Ready, compare: Callable[[FakeService], Freshness]) -> None:
    """A new policy with its VM, which no write touches, does not stop the plan."""
    service = FakeService(planned.document)
    new = standard_policy("brand-new", "03:00")
    service.policies[new["id"].lower()] = new
    vm = item("fresh-vm", "brand-new")
    service.items[vm["id"].lower()] = vm
    found = compare(service)
    assert not found.broken
    assert len(found.remarks[ArmId(VAULT)]) == 2
