"""Metrics of the emulated service, as the real client reads them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from optimizer.estate.folder import Estate
from tests.emulator.cloud import SUBSCRIPTION, Cloud
from tests.emulator.known_load import DAY, VMS, serving_load
from tests.plan.estates import vm_id

METRICS = ("Percentage CPU", "Available Memory Percentage", "Available Memory Bytes")
NAMESPACE = "Microsoft.Compute/virtualMachines"


def ask(cloud: Cloud, vms: tuple[str, ...] = VMS[:1], region: str = "westeurope", **given: Any) -> Any:
    """Ask for metrics of the first day with the real client."""
    usual = {
        "metric_namespace": NAMESPACE,
        "metric_names": METRICS,
        "timespan": (DAY, DAY + timedelta(days=1)),
        "granularity": timedelta(minutes=5),
        "aggregations": ["Average", "Maximum"],
    }
    with cloud.connection.metrics(region) as client:
        return client.query_resources(resource_ids=[vm_id(vm) for vm in vms], **{**usual, **given})


def column(metric: Any, name: str = "average") -> list[float | None]:
    return [getattr(point, name) for series in metric.timeseries for point in series.data]


def test_metrics_are_those_of_the_estate(cloud: Cloud) -> None:
    """CPU as it is, memory that is available instead of used, bytes by the size of the VM, maxima where known."""
    (result,) = ask(cloud)
    cpu, percent, free = (result.metrics[name] for name in METRICS)
    assert column(cpu)[:3] == [0.0, 0.25, 0.5]
    assert column(cpu, "maximum")[:3] == [10.0, 10.25, 10.5]
    assert set(column(percent)) == {25.0}
    assert set(column(free)) == {2 * 1024**3}
    assert (cpu.unit, percent.unit, free.unit) == ("Percent", "Percent", "Bytes")
    assert result.metrics[0].timeseries[0].data[1].timestamp == DAY + timedelta(minutes=5)
    assert result.granularity == timedelta(minutes=5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"vms": VMS * 17},
        {"vms": ("missing",)},
        {"vms": ("far",)},
        {"region": "northeurope"},
        {"metric_names": ["Percentage Disk"]},
        {"granularity": timedelta(minutes=7)},
        {"aggregations": ["Median"]},
        {"timespan": (DAY, timedelta())},
    ],
)
def test_what_a_batch_must_not_ask(cloud: Cloud, wrong: dict[str, Any]) -> None:
    """More than 50 VMs, another region, unknown VMs, metrics, grains and aggregations, and no time: 400 or 404."""
    with pytest.raises(HttpResponseError) as raised:
        ask(cloud, **wrong)
    assert raised.value.status_code == (404 if wrong == {"vms": ("missing",)} else 400)


def test_regions_are_spelled_in_two_ways(cloud: Cloud) -> None:
    """A VM of ``East US`` is asked for at ``eastus``."""
    assert len(ask(cloud, ("far",), "eastus")) == 1


def test_some_vms_lack_what_others_have(truth: Estate) -> None:
    """No percentage of memory, an error instead of data, and one for whose sake the whole request is refused."""
    ids = [frozenset({vm_id(vm).upper()}) for vm in VMS]
    with serving_load(truth, no_memory_percentage=ids[0], metric_errors=ids[1], failing_metrics=ids[2]) as cloud:
        first, second = ask(cloud, VMS[:2])
        with pytest.raises(HttpResponseError, match="cannot be read"):
            ask(cloud, VMS)
    assert [len(column(metric)) for metric in first.metrics] == [288, 0, 288]
    assert column(second.metrics[0]) == []


@pytest.mark.parametrize("prebuilt", [False, True])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_answers_are_compressed_where_that_is_welcome(truth: Estate, prebuilt: bool, encoding: str) -> None:
    """The body is the same JSON either way, ids included; prebuilt answers are strung together of gzip members."""
    url = f"/subscriptions/{SUBSCRIPTION}/metrics:getBatch"
    query = {
        "metricnames": ",".join(METRICS),
        "starttime": "2026-11-01T00:00:00Z",
        "endtime": "2026-11-02T00:00:00Z",
        "interval": "PT5M",
    }
    ids = [vm_id("vm-1"), vm_id("VM-2")]
    with serving_load(truth, prebuilt_metrics=prebuilt) as cloud, cloud.connection.metrics("westeurope") as client:
        request = HttpRequest("POST", url, params=query, json={"resourceids": ids})
        request.headers["Accept-Encoding"] = encoding
        response = client.send_request(request)
    assert response.headers.get("Content-Encoding", "identity") == encoding
    values = response.json()["values"]
    assert [value["resourceid"] for value in values] == ids
    assert [metric["name"]["value"] for metric in values[0]["value"]] == list(METRICS)
    assert [len(metric["timeseries"][0]["data"]) for metric in values[1]["value"]] == [288] * 3


def test_a_gap_is_a_point_without_value(cloud: Cloud) -> None:
    """Where nothing is known a point has its time only; a VM without any load has no series at all."""
    results = ask(cloud, VMS)
    assert [value is None for value in column(results[1].metrics[0])] == [10 <= bin_ < 20 for bin_ in range(288)]
    assert results[2].metrics[0].timeseries == []


def test_coarser_points_are_means_and_extremes(cloud: Cloud) -> None:
    """Hours are made of what is known of their 5 minutes."""
    (result,) = ask(cloud, ("vm-2",), granularity=timedelta(hours=1), aggregations=["Average", "Maximum", "Minimum"])
    cpu = result.metrics[0]
    assert column(cpu) == [50.0] * 24
    assert column(cpu, "maximum") == [60.0] * 24


def test_times_need_not_be_days(cloud: Cloud) -> None:
    """From the next point of the grid to before the end, across midnight, and never beyond the present."""
    span = (DAY + timedelta(hours=23, minutes=52), DAY + timedelta(days=1, minutes=10))
    (result,) = ask(cloud, timespan=span)
    times = [point.timestamp - DAY for point in result.metrics[0].timeseries[0].data]
    assert times == [timedelta(hours=23, minutes=55), timedelta(days=1), timedelta(days=1, minutes=5)]
    (result,) = ask(cloud, timespan=(DAY + timedelta(days=1, hours=23), DAY + timedelta(days=9)))
    assert len(column(result.metrics[0])) == 12
