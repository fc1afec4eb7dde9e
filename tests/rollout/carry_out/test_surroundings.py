"""Policies and vaults that others fill while a plan is carried out or taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from optimizer.model.clock import VirtualClock
from optimizer.model.rules import PolicyLimits, Rules
from optimizer.rollout.carry_out.surroundings import Surroundings
from tests.plan.estates import VAULT, policy_id, standard_policy
from tests.rollout.azure_rollouts import ready_of
from tests.rollout.carry_out.test_rollback import take_back
from tests.rollout.conftest import Ready, run
from tests.rollout.fake_service import FakeService
from tests.rollout.small_rollouts import NOW, world

NAMES = [f"vm-{number}" for number in range(5)]
EARLY, NIGHTLY = policy_id("early").lower(), policy_id("nightly").lower()


def crowded(limits: PolicyLimits, targets: dict[str, str]) -> Ready:
    """Build a plan over five VMs of one policy, with a stranger that is not to be moved and an empty twin."""
    policies = [
        standard_policy("nightly", "23:00"),
        standard_policy("early", "20:00"),
        standard_policy("own", "23:00"),
    ]
    places = dict.fromkeys(NAMES, "nightly") | {"stranger": "own", "other": "own"}
    return ready_of(world(policies, places, targets, Rules(policies=limits)))


@pytest.fixture(scope="module")
def tight() -> Ready:
    """Build a plan that moves three VMs into a policy, where a policy may protect five."""
    return crowded(PolicyLimits(max_vms_per_policy=5), dict.fromkeys(NAMES[:3], "20:00"))


def item_key(service: FakeService, name: str) -> str:
    return next(key for key in service.items if key.endswith(f";{name}"))


def assign(service: FakeService, name: str, policy: str) -> None:
    """Assign an item as somebody else would."""
    service.items[item_key(service, name)]["properties"]["policyId"] = policy_id(policy)


def at_first_write(service: FakeService, act: Callable[[], None]) -> None:
    """Act once, before the first request."""
    pending = [act]

    def before(_: str) -> None:
        if pending:
            pending.pop()()

    service.before_write = before


def held(service: FakeService, key: str) -> int:
    return int(service.get_policy(key)["properties"]["protectedItemsCount"])  # type: ignore[index]


def test_a_policy_that_others_fill_is_not_overfilled(tight: Ready, tmp_path: Path) -> None:
    """With three strangers the third move would make six of five: it waits, is explained, and goes on with room."""
    service, clock = FakeService(tight.document), VirtualClock(NOW)
    strangers = ["stranger", "other", "vm-4"]
    at_first_write(service, lambda: [assign(service, name, "early") for name in strangers] and None)
    outcome = run(tight, service, tmp_path, clock=clock)
    assert held(service, EARLY) == 5
    assert len(outcome.done) == 2
    (reason,) = outcome.pending.values()
    assert "policy early protects 5 VMs now, and the limit is 5: others have filled it" in reason
    assert "--resume" in reason
    assign(service, "stranger", "own")
    assert run(tight, service, tmp_path, clock=clock, resume=True).complete
    assert held(service, EARLY) == 5


def test_a_policy_that_others_fill_is_not_overfilled_on_the_way_back(tight: Ready, tmp_path: Path) -> None:
    """The policy that the VMs came from has been filled meanwhile: as many go back as have room."""
    service, clock = FakeService(tight.document), VirtualClock(NOW)
    assert run(tight, service, tmp_path, clock=clock).complete
    at_first_write(service, lambda: assign(service, "stranger", "nightly"))
    outcome = take_back(tight, service, tmp_path, clock)
    assert held(service, NIGHTLY) == 5
    assert len(outcome.pending) == 1
    assign(service, "stranger", "own")
    assert take_back(tight, service, tmp_path, clock, resume=True).complete


def test_a_vault_that_others_fill_gets_no_more_policies(tmp_path: Path) -> None:
    """The vault may hold four policies: somebody else makes the fourth before the plan's creation."""
    plan = crowded(PolicyLimits(max_policies_per_vault=4), {"vm-0": "20:00", "vm-1": "02:00"})
    service, clock = FakeService(plan.document), VirtualClock(NOW)
    others = standard_policy("theirs", "04:00")
    service.policies[others["id"].lower()] = others
    outcome = run(plan, service, tmp_path, clock=clock)
    (creation,) = (write for write in plan.writes if write.kind == "create_policy")
    assert (
        f"vault {VAULT.rpartition('/')[2]} holds 4 policies now, and the limit is 4"
        in outcome.pending[creation.number]
    )
    assert creation.object_id.lower() not in service.policies
    del service.policies[others["id"].lower()]
    assert run(plan, service, tmp_path, clock=clock, resume=True).complete


def test_a_count_that_is_not_stated_bars_nothing(tight: Ready) -> None:
    """Azure may leave the count out: then only the plan's own count holds."""

    class Silent(FakeService):
        def get_policy(self, policy_id: str):  # type: ignore[no-untyped-def]
            policy = super().get_policy(policy_id)
            del policy["properties"]["protectedItemsCount"]
            return policy

    (write, *_) = (write for write in tight.writes if write.kind == "reassign_item")
    around = Surroundings(most_vms=lambda _: 0).look(Silent(tight.document), write, None)
    assert not around.full
    assert Surroundings(most_vms=lambda _: 0).look(FakeService(tight.document), write, None).full
