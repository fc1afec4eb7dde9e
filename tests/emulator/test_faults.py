"""What goes wrong on demand, as the real clients see it."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

from optimizer.emulator import Faults
from optimizer.emulator.faults import Fault, FaultStream
from optimizer.model.clock import VirtualClock
from tests.emulator.cloud import GROUP, NOW, ONCE, Cloud, assignment, names_of, properties_of, serving
from tests.plan.estates import policy_id

LOST = (ServiceRequestError, ServiceResponseError)


def get(cloud: Cloud, **given: Any) -> str:
    policy = cloud.backup.protection_policies.get("rsv-one", GROUP, "daily-2200", **given)
    return str(policy.id)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("429", 429, "ResourceRequestsThrottled"),
        ("500", 500, "InternalServerError"),
        ("502", 502, "BadGateway"),
        ("503", 503, "ServiceUnavailable"),
    ],
)
def test_a_fault_at_an_exact_place(fault: Fault, status: int, code: str) -> None:
    """The n-th request of a kind is refused, those before and after it are not."""
    with serving(faults=Faults(at={("policy.get", 2): fault})) as cloud:
        get(cloud, **ONCE)
        with pytest.raises(HttpResponseError) as raised:
            get(cloud, **ONCE)
        get(cloud, **ONCE)
    assert (raised.value.status_code, raised.value.error and raised.value.error.code) == (status, code)
    assert cloud.emulator.requests == {"policy.get": 3}


def test_the_clients_own_retries_get_over_it() -> None:
    """A 429 that says how long to wait, and a 503, are nothing to a client that repeats its reading."""
    with serving(faults=Faults(at={1: "429", 2: "503"}, retry_after=0.01)) as cloud:
        assert get(cloud) == policy_id("daily-2200")
    assert cloud.emulator.requests == {"policy.get": 3}


@pytest.mark.parametrize("wait", [None, 7.0])
def test_retry_after_is_sent_where_it_is_set(wait: float | None) -> None:
    """With and without the header."""
    with serving(faults=Faults(rate_429=1.0, retry_after=wait)) as cloud, pytest.raises(HttpResponseError) as raised:
        get(cloud, **ONCE)
    assert raised.value.response is not None
    assert raised.value.response.headers.get("Retry-After") == (None if wait is None else "7")


@pytest.mark.parametrize(
    ("fault", "raised", "done"),
    [
        ("drop_before", LOST, False),
        ("drop_after", LOST, True),
        ("500", HttpResponseError, False),
        ("500_after", HttpResponseError, True),
        ("502_after", HttpResponseError, True),
        ("429", HttpResponseError, False),
    ],
)
def test_a_write_may_take_effect_or_not(fault: Fault, raised: Any, done: bool) -> None:
    """What the client cannot tell apart: the connection is lost, or the service fails, before or after the deed."""
    with serving(faults=Faults(at={("policy.put", 1): fault})) as cloud:
        with pytest.raises(raised):
            cloud.put_policy("new-policy", properties_of("p", "21:00"))
        assert len(cloud.emulator.writes) == done
        policies = [policy.name for policy in cloud.backup.backup_policies.list("rsv-one", GROUP)]
    assert ("new-policy" in policies) == done


def test_polling_is_disturbed_and_ends_well() -> None:
    """A 503 in the middle of an operation is repeated by the client; the item arrives."""
    body: Any = {"properties": assignment("vm-1", "daily-2200")}
    with serving(faults=Faults(at={("operation", 1): "503"})) as cloud:
        items = cloud.backup.protected_items
        moved = (
            items.begin_create_or_update("rsv-one", GROUP, "Azure", *names_of("vm-1"), body, polling_interval=0.01)
            .result()
            .as_dict()
        )
    assert moved["properties"]["policyId"] == policy_id("daily-2200")
    assert cloud.emulator.requests == {"item.put": 1, "operation": 3, "item.get": 1}


def test_slow_answers_arrive() -> None:
    """An answer that takes its time is an answer."""
    with serving(faults=Faults(slow_seconds=0.2, only=("policy.get",))) as cloud:
        began = time.monotonic()
        get(cloud)
        assert time.monotonic() - began >= 0.2


def test_only_some_kinds_are_befallen() -> None:
    """Faults keep to the kinds that they are meant for, also when they are counted."""
    with serving(faults=Faults(rate_500=1.0, at={1: "429"}, only=("item.get",))) as cloud:
        get(cloud, **ONCE)
        statuses = []
        for _ in range(2):
            with pytest.raises(HttpResponseError) as raised:
                cloud.get_item("vm-1", **ONCE)
            statuses.append(raised.value.status_code)
    assert statuses == [429, 500]


def test_the_throttle_turns_away_what_is_too_fast() -> None:
    """Beyond so many requests in a second the answer is 429, and a second later all is well."""
    clock = VirtualClock(NOW)
    stream = FaultStream(Faults(most_per_second=5), seconds=lambda: clock.now().timestamp())
    assert [stream.next("graph") for _ in range(7)] == [None] * 5 + ["429"] * 2
    clock.sleep(0.9)
    assert stream.next("graph") == "429"
    clock.sleep(0.1)
    assert stream.next("graph") is None


def test_the_same_seed_gives_the_same_faults() -> None:
    """A stream of faults can be repeated, and its rates are what they say."""
    faults = Faults(rate_429=0.1, rate_500=0.1, rate_502=0.05, drop_before=0.05, drop_after=0.1, seed=3)
    one, two = FaultStream(faults), FaultStream(faults)
    first = [one.next("item.put") for _ in range(4000)]
    assert first == [two.next("item.put") for _ in range(4000)]
    shares = Counter(first)
    expected = {"429": 0.1, "500": 0.05, "500_after": 0.05, "502": 0.025, "drop_before": 0.05, "drop_after": 0.1}
    found = {fault: shares[fault] / 4000 for fault in expected}  # type: ignore[index]
    assert found == pytest.approx(expected, abs=0.02)


def test_reads_never_fail_after_the_deed() -> None:
    """Only writes can take effect and fail all the same."""
    stream = FaultStream(Faults(rate_500=1.0))
    assert {stream.next("items.list") for _ in range(50)} == {"500"}


def test_polling_only_gets_its_own_rate() -> None:
    """The rate of 503 while polling leaves other requests alone."""
    stream = FaultStream(Faults(rate_503_while_polling=1.0))
    assert [stream.next("operation"), stream.next("item.get")] == ["503", None]
