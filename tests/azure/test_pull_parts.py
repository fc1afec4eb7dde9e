"""Parts of the adapter for pull that need no service: answers of metrics, the limiter, kinds of requests."""

from __future__ import annotations

import json
import threading
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pytest

from optimizer.azure.limiter import AdaptiveLimiter, Pacer
from optimizer.azure.metrics_answer import read_answer
from optimizer.azure.traffic import kind_of

DAY = date(2026, 2, 28)
VMS = ("/subscriptions/s/x/VM-1", "/subscriptions/s/x/vm-2")


def _points(first: int, values: list[float | None], day: str = "2026-02-28") -> list[dict[str, Any]]:
    return [
        {"timeStamp": f"{day}T{(first + n) // 12:02d}:{(first + n) % 12 * 5:02d}:00Z"}
        | ({} if value is None else {"average": value, "maximum": value + 1})
        for n, value in enumerate(values)
    ]


def _resource(vm: str, data: list[dict[str, Any]], **metric: Any) -> dict[str, Any]:
    inner = {"name": {"value": "Percentage CPU", "localizedValue": "CPU"}, "unit": "Percent"}
    return {"resourceid": vm, "value": [inner | {"timeseries": [{"metadatavalues": [], "data": data}]} | metric]}


def _read(resources: list[dict[str, Any]], *aggregations: str) -> Any:
    content = json.dumps({"values": resources}).encode()
    return read_answer(content, VMS, DAY, aggregations or ("average",))


def test_answer_is_placed_by_id_and_time() -> None:
    """Order and case of the ids do not matter; a gap in the times leaves a gap, as does a point without value."""
    answer = _read(
        [
            _resource(VMS[1].upper(), _points(10, [1.0, None, 3.0])),
            _resource(VMS[0].lower(), [*_points(0, [5.0]), *_points(4, [7.0, 8.0])]),
        ]
    )
    cpu = answer.values["percentage cpu", "average"]
    assert cpu.shape == (2, 288)
    assert {bin_: cpu[1, bin_] for bin_ in np.flatnonzero(~np.isnan(cpu[1]))} == {10: 1.0, 12: 3.0}
    assert {bin_: cpu[0, bin_] for bin_ in np.flatnonzero(~np.isnan(cpu[0]))} == {0: 5.0, 4: 7.0, 5: 8.0}
    assert answer.points == 5


def test_points_of_other_days_are_left_out() -> None:
    """What lies outside of the day, as the bin at the end of the period may, is no part of it."""
    late = [*_points(287, [1.0]), *_points(0, [2.0], "2026-03-01")]
    cpu = _read([_resource(VMS[0], late)]).values["percentage cpu", "average"]
    assert np.flatnonzero(~np.isnan(cpu[0])).tolist() == [287]


def test_maxima_are_read_where_asked_for() -> None:
    """Each aggregation is a grid of its own; one that the service does not give is absent."""
    answer = _read([_resource(VMS[0], _points(0, [1.0]))], "average", "maximum", "minimum")
    assert set(answer.values) == {("percentage cpu", "average"), ("percentage cpu", "maximum")}


def test_error_of_one_vm_is_its_own() -> None:
    """An error code beside the values names the VM that it is about; no series is no error."""
    answer = _read(
        [
            _resource(VMS[0], [], errorCode="Success"),
            _resource(VMS[1], [], errorCode="InternalError", errorMessage="try later"),
        ]
    )
    assert answer.refused == {1: "InternalError: try later"}


def test_answer_as_a_string_is_read_and_a_cut_one_is_not() -> None:
    """The service has been seen to send its JSON as a string; half an answer never passes for a whole one."""
    content = json.dumps({"values": [_resource(VMS[0], _points(0, [1.0]))]})
    assert read_answer(json.dumps(content).encode(), VMS, DAY, ("average",)).points == 1
    with pytest.raises(msgspec.DecodeError):
        read_answer(content.encode()[:-5], VMS, DAY, ("average",))


def test_limiter_halves_once_per_burst_and_grows_by_one() -> None:
    """Refusals that come together halve once; as many successes as may run at a time allow one more."""
    time = 0.0
    limiter = AdaptiveLimiter(8, now=lambda: time)
    for _ in range(5):
        limiter.slowed()
    assert limiter.limit == 4
    time = 10.0
    for _ in range(4):
        limiter.slowed()
        time += 10
    assert limiter.limit == 1
    limiter.succeeded()
    assert limiter.limit == 2
    for _ in range(100):
        limiter.succeeded()
    assert limiter.limit == 8, "never more than at the start"


def test_limiter_holds_back_what_is_too_much() -> None:
    """Never more requests at a time than allowed, also after a halving while some run."""
    limiter = AdaptiveLimiter(4)
    running, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, most
        for _ in range(50):
            with limiter.slot():
                with lock:
                    running += 1
                    most = max(most, running)
                with lock:
                    running -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 4 and running == 0


def test_pacer_keeps_to_the_quota() -> None:
    """The first fifteen go at once; the sixteenth waits until five seconds after the first."""
    waited: list[float] = []
    time = 100.0

    def sleep(seconds: float) -> None:
        nonlocal time
        waited.append(seconds)
        time += seconds

    pacer = Pacer(15, 5.0, now=lambda: time, sleep=sleep)
    for _ in range(15):
        pacer.wait()
    assert not waited
    pacer.wait()
    pacer.wait()
    assert waited == [5.0]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/providers/Microsoft.ResourceGraph/resources", "resource graph"),
        ("/subscriptions/s/metrics:getBatch", "metrics"),
        ("/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v", "vaults"),
        ("/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v/backupPolicies", "policies"),
        ("/x/vaults/v/backupProtectedItems", "protected items"),
        ("/x/vaults/v/backupJobs", "jobs"),
        ("/x/vaults/v/backupResourceGuardProxies", "vault settings"),
        ("/subscriptions/s/providers/Microsoft.Compute/skus", "vm sizes"),
        ("/v1/workspaces/w/query", "logs"),
        ("/subscriptions/s", "other"),
    ],
)
def test_requests_are_counted_by_kind(path: str, kind: str) -> None:
    """The report says how many requests of each kind a pull took."""
    assert kind_of(f"https://management.azure.com{path}?api-version=1") == kind
