"""Metrics and logs of the emulated service, as the real clients read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from azure.monitor.query import LogsQueryPartialResult, LogsQueryStatus

from optimizer.arm import ArmResources
from optimizer.emulator import EmulatorSettings
from optimizer.estate.folder import Estate, open_estate
from optimizer.estate.writer import EstateWriter
from optimizer.model.load import DayLoad
from tests.emulator.cloud import SUBSCRIPTION, VAULT, Cloud, estate, frame, serving
from tests.plan.estates import machine, vm_id

DAY = datetime(2026, 11, 1, tzinfo=UTC)
VMS = ("vm-1", "vm-2", "vm-3")
METRICS = ("Percentage CPU", "Available Memory Percentage", "Available Memory Bytes")
NAMESPACE = "Microsoft.Compute/virtualMachines"
WORKSPACE = "cccccccc-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """Return an estate of two days of load: CPU counts up, memory down, the second VM has a gap, the third nothing."""
    folder = tmp_path_factory.mktemp("truth") / "estate"
    with EstateWriter(folder) as writer:
        for number in range(2):
            cpu = np.array([np.arange(288) / 4, np.full(288, 50)], dtype=np.float32)
            cpu[1, 10:20] = np.nan
            memory = np.array([np.full(288, 75), np.full(288, 25)], dtype=np.float32)
            ids = tuple(vm_id(name) for name in VMS[:2])
            date = (DAY + timedelta(days=number)).date()
            writer.add_load(DayLoad(date, ids, cpu, memory, cpu_max=cpu + 10))
        sized = {"properties": {"hardwareProfile": {"vmSize": "Standard_D2s_v5"}}}
        vms = [{**machine(name), **sized} for name in VMS] + [{**machine("far"), "location": "East US"}]
        writer.commit(ArmResources(DAY + timedelta(days=2), "azure", vms=vms), created_at=DAY)
    return open_estate(folder)


def _serving(truth: Estate, now: datetime = DAY + timedelta(days=2), **settings: Any) -> Any:
    return serving(truth.document, now, load=truth.load, settings=EmulatorSettings(**settings))


@pytest.fixture
def cloud(truth: Estate) -> Iterator[Cloud]:
    """Return the estate, served."""
    with _serving(truth) as served:
        yield served


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


def test_regions_are_spelt_in_two_ways(cloud: Cloud) -> None:
    """A VM of ``East US`` is asked for at ``eastus``."""
    assert len(ask(cloud, ("far",), "eastus")) == 1


def test_some_vms_lack_what_others_have(truth: Estate) -> None:
    """No percentage of memory, an error instead of data, and one for whose sake the whole request is refused."""
    ids = [frozenset({vm_id(vm).upper()}) for vm in VMS]
    with _serving(truth, no_memory_percentage=ids[0], metric_errors=ids[1], failing_metrics=ids[2]) as cloud:
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
    with _serving(truth, prebuilt_metrics=prebuilt) as cloud, cloud.connection.metrics("westeurope") as client:
        request = HttpRequest("POST", url, params=query, json={"resourceids": ids})
        request.headers["Accept-Encoding"] = encoding
        response = client.send_request(request)
    assert response.headers.get("Content-Encoding", "identity") == encoding
    values = response.json()["values"]
    assert [value["resourceid"] for value in values] == ids
    assert [metric["name"]["value"] for metric in values[0]["value"]] == list(METRICS)
    assert [len(metric["timeseries"][0]["data"]) for metric in values[1]["value"]] == [288] * 3


def _logs(cloud: Cloud, query: str) -> Any:
    with cloud.connection.logs() as client:
        return client.query_workspace(WORKSPACE, query, timespan=None)


def _load_query(table: str) -> str:
    ids = f'["{vm_id("vm-1").lower()}", "{vm_id("vm-3").lower()}"]'
    span = "T >= datetime(2026-11-01T00:00:00Z) and T < datetime(2026-11-01T01:00:00Z)"
    return f"{table}\n| where {span} and tolower(_ResourceId) in (dynamic({ids}))"


def test_a_workspace_knows_the_load(truth: Estate) -> None:
    """Rows by VM, metric and 5 minutes, from the tables that the workspace has."""
    with _serving(truth, workspaces={WORKSPACE: frozenset({"InsightsMetrics"})}) as cloud:
        answer = _logs(cloud, _load_query("InsightsMetrics"))
        with pytest.raises(HttpResponseError) as raised:
            _logs(cloud, _load_query("Perf"))
    rows = answer.tables[0].rows
    assert answer.status == LogsQueryStatus.SUCCESS
    assert list(answer.tables[0].columns) == ["ResourceId", "Metric", "Bin", "Average", "Maximum"]
    assert len(rows) == 24
    assert list(rows[1]) == [vm_id("vm-1").lower(), "cpu", DAY + timedelta(minutes=5), 0.25, 10.25]
    assert list(rows[12])[3:] == [75.0, 75.0]
    assert raised.value.error is not None and raised.value.error.code == "SemanticError"


def test_logs_may_come_in_part(truth: Estate) -> None:
    """An answer in part carries its error, which the client tells apart."""
    workspaces = {WORKSPACE: frozenset({"InsightsMetrics"})}
    with _serving(truth, workspaces=workspaces, partial_logs=True) as cloud:
        answer = _logs(cloud, _load_query("InsightsMetrics"))
    assert isinstance(answer, LogsQueryPartialResult)
    assert len(answer.partial_data[0].rows) == 12


def test_an_unknown_workspace_is_not_found(cloud: Cloud) -> None:
    """A workspace that nobody set up is a 404."""
    with pytest.raises(HttpResponseError) as raised:
        _logs(cloud, _load_query("Perf"))
    assert raised.value.status_code == 404


def test_a_workspace_knows_the_jobs(truth: Estate) -> None:
    """Backups that have ended, with the code of their failure."""
    jobs = frame(
        {"start": DAY, "end": DAY + timedelta(minutes=5), "status": "Failed", "error_code": "UserErrorX"},
        {"start": DAY + timedelta(hours=1), "end": DAY + timedelta(days=9), "status": "Completed"},
    )
    query = "AddonAzureBackupJobs | where T >= datetime(2026-11-01T00:00:00Z) and T < datetime(2026-11-09T00:00:00Z)"
    settings = EmulatorSettings(workspaces={WORKSPACE: frozenset({"AddonAzureBackupJobs"})})
    with serving(estate(), jobs=jobs, load=truth.load, settings=settings) as cloud:
        rows = _logs(cloud, query).tables[0].rows
    assert [list(row) for row in rows] == [
        [VAULT.lower(), "iaasvmcontainerv2;rg-app;vm-1", "vm-1", "Scheduled", DAY, 300, "Failed", "UserErrorX"]
    ]
