"""``metrics:getBatch``: metrics of up to 50 VMs in one subscription and region."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.emulator.calls import Call, Response
from optimizer.emulator.filters import same
from optimizer.emulator.ids import key, segment
from optimizer.emulator.machines import memory_bytes, size_of
from optimizer.emulator.refusal import Refusal, not_found
from optimizer.emulator.routes import Route, route
from optimizer.emulator.series import AGGREGATIONS, CPU, MEMORY_PERCENT, UNITS, Grid, Loads, points_json
from optimizer.emulator.settings import EmulatorSettings
from optimizer.model.caseless import Caseless

if TYPE_CHECKING:
    from optimizer.emulator.state import CloudState
    from optimizer.ports import LoadSource

MOST_IDS = 50
"""Maximum number of VMs in one request."""

_NAMESPACE = "Microsoft.Compute/virtualMachines"
_PATH = r"/metrics/(?P<region>[a-z0-9]+)/subscriptions/(?P<subscription>[^/]+)/metrics:getBatch"
_MINUTES = {"PT5M": 5, "PT15M": 15, "PT30M": 30, "PT1H": 60, "PT6H": 360, "PT12H": 720, "P1D": 1440}
"""Length in minutes of the supported intervals."""

_INTERVAL = "PT5M"
"""Interval of a request that states none."""

_VM_TYPE = "/providers/microsoft.compute/virtualmachines/"


def metrics_routes(state: CloudState, load: LoadSource | None) -> tuple[Route, ...]:
    """Route of metrics.

    Parameters
    ----------
    state
        State of the service.
    load
        Load of the estate; None means no load.
    """
    metrics = _Metrics(Loads(load), state.settings)
    return (route("metrics", "POST", _PATH, "Microsoft.Insights/metrics/read", metrics.post_batch),)


@dataclass(frozen=True)
class _Question:
    """Checked parameters of a metrics request."""

    vm_ids: tuple[str, ...]
    names: tuple[str, ...]
    aggregations: tuple[str, ...]
    interval: str
    grid: Grid
    region: str


class _Metrics:
    """Handler that answers from the load of an estate, or with one prebuilt series."""

    def __init__(self, loads: Loads, settings: EmulatorSettings) -> None:
        self._loads, self._settings = loads, settings
        self._prebuilt: dict[tuple[object, ...], _Prebuilt] = {}

    def post_batch(self, call: Call) -> Response:
        """Answer with the metrics of the VMs in a request, in its order."""
        question = _read(call)
        failing = sorted({key(vm_id) for vm_id in question.vm_ids} & self._settings.failing_metrics)
        if failing:
            status = self._settings.failing_metrics_status
            code = "BadRequest" if status < 500 else "InternalServerError"
            raise Refusal(status, code, f"The metrics of resource '{failing[0]}' cannot be read.")
        if self._settings.prebuilt_metrics:
            return self._from_prebuilt(question, compress=call.gzip)
        texts = [self._resource(call.state, question, vm_id) for vm_id in question.vm_ids]
        return _answer(f'{{"values":[{",".join(texts)}]}}'.encode(), compress=call.gzip)

    def _resource(self, state: CloudState, question: _Question, vm_id: str) -> str:
        metrics = ",".join(self._metric(state, question, vm_id, name) for name in question.names)
        return f'{_head(question, vm_id)}"value":[{metrics}]}}'

    def _metric(self, state: CloudState, question: _Question, vm_id: str, name: str) -> str:
        about = _about(name, f"{vm_id}/providers/Microsoft.Insights/metrics/{name}")
        if key(vm_id) in self._settings.metric_errors:
            return f'{about}"timeseries":[],"errorCode":"InternalServerError","errorMessage":"The query failed."}}'
        absent = name == MEMORY_PERCENT and key(vm_id) in self._settings.no_memory_percentage
        memory = memory_bytes(size_of(state.contents.vms[key(vm_id)]))
        values = {} if absent else self._values(question, vm_id, name, memory)
        data = f'{{"metadatavalues":[],"data":[{points_json(question.grid, values)}]}}' if values else ""
        return f'{about}"timeseries":[{data}],"errorCode":"Success"}}'

    def _values(self, question: _Question, vm_id: str, name: str, memory: float) -> dict[str, Any]:
        columns = {
            aggregation: self._loads.values(key(vm_id), name, aggregation, question.grid, memory)
            for aggregation in question.aggregations
        }
        return {aggregation: values for aggregation, values in columns.items() if values is not None}

    def _from_prebuilt(self, question: _Question, *, compress: bool) -> Response:
        asked = (question.names, question.aggregations, question.grid, question.interval)
        if asked not in self._prebuilt:
            self._prebuilt[asked] = _Prebuilt(_template(question))
        prebuilt = self._prebuilt[asked]
        content = prebuilt.body([_head(question, vm_id).encode() for vm_id in question.vm_ids], compress=compress)
        return Response(200, content, {"Content-Encoding": "gzip"} if compress else {})


def _head(question: _Question, vm_id: str) -> str:
    grid = question.grid
    return (
        f'{{"starttime":"{grid.start:%Y-%m-%dT%H:%M:%SZ}","endtime":"{grid.end:%Y-%m-%dT%H:%M:%SZ}",'
        f'"interval":"{question.interval}","namespace":"{_NAMESPACE}","resourceregion":"{question.region}",'
        f'"resourceid":{json.dumps(vm_id)},'
    )


def _about(name: str, metric_id: str) -> str:
    names = json.dumps({"value": name, "localizedValue": name})
    return (
        f'{{"id":{json.dumps(metric_id)},"type":"Microsoft.Insights/metrics","name":{names},'
        f'"displayDescription":{json.dumps(name)},"unit":"{UNITS[name]}",'
    )


def _template(question: _Question) -> bytes:
    """Content after the head of any VM: a wave with the period of one day."""
    number = len(question.grid.stamps)
    wave = 40 + 30 * np.sin(np.arange(number) * (2 * np.pi / 288))
    metrics = []
    for name in question.names:
        values = dict.fromkeys(question.aggregations, wave if UNITS[name] == "Percent" else wave * 1e8)
        data = points_json(question.grid, values)
        series = f'"timeseries":[{{"metadatavalues":[],"data":[{data}]}}],"errorCode":"Success"}}'
        metrics.append(_about(name, f"metrics/{name}") + series)
    return f'"value":[{",".join(metrics)}]}}'.encode()


class _Prebuilt:
    """Series that every VM shares, compressed once, because gzip files may be concatenated."""

    def __init__(self, template: bytes) -> None:
        self._plain, self._packed = template, _gzip(template, 6)

    def body(self, heads: Sequence[bytes], *, compress: bool) -> bytes:
        """Body of an answer, given the head of each VM."""
        parts = []
        for number, head in enumerate(heads):
            begin = (b"," if number else b'{"values":[') + head
            parts += [_gzip(begin, 0), self._packed] if compress else [begin, self._plain]
        parts.append(_gzip(b"]}", 0) if compress else b"]}")
        return b"".join(parts)


def _gzip(content: bytes, level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return packer.compress(content) + packer.flush()


def _answer(content: bytes, *, compress: bool) -> Response:
    if compress:
        return Response(200, _gzip(content, 1), {"Content-Encoding": "gzip"})
    return Response(200, content)


def _read(call: Call) -> _Question:
    """Check the parameters of a request.

    Raises
    ------
    Refusal
        400 or 404.
    """
    body = call.body if isinstance(call.body, dict) else {}
    vm_ids = tuple(str(vm_id) for vm_id in body.get("resourceids") or ())
    _check_ids(call, vm_ids)
    interval = call.query.get("interval", _INTERVAL)
    if interval not in _MINUTES:
        raise Refusal(400, "BadRequest", f"Detected invalid time grain input: {interval}; {sorted(_MINUTES)}")
    return _Question(
        vm_ids=vm_ids,
        names=_names(call.query.get("metricnames", CPU)),
        aggregations=_aggregations(call.query.get("aggregation", "average")),
        interval=interval,
        grid=_grid(call, _MINUTES[interval] // 5),
        region=key(call.parts["region"]),
    )


def _names(listed: str) -> tuple[str, ...]:
    """Metrics in a list, spelled as the service does.

    Raises
    ------
    Refusal
        400: a metric does not exist.
    """
    known = {Caseless(name): name for name in UNITS}
    names = [name.strip() for name in listed.split(",")]
    for name in names:
        if Caseless(name) not in known:
            raise Refusal(
                400,
                "BadRequest",
                "Failed to find metric configuration for provider: Microsoft.Compute, resource Type: virtualMachines, "
                f"metric: {name}, Valid metrics: {','.join(UNITS)}",
            )
    return tuple(known[Caseless(name)] for name in names)


def _aggregations(listed: str) -> tuple[str, ...]:
    aggregations = tuple(Caseless(name.strip()).key for name in listed.split(","))
    if not set(aggregations) <= set(AGGREGATIONS):
        raise Refusal(400, "BadRequest", f"Invalid aggregation: {','.join(aggregations)}")
    return aggregations


def _check_ids(call: Call, vm_ids: Sequence[str]) -> None:
    if not 1 <= len(vm_ids) <= MOST_IDS:
        raise Refusal(400, "BadRequest", f"The number of resource ids is {len(vm_ids)}; allowed: 1 to {MOST_IDS}.")
    for vm_id in vm_ids:
        _check_id(call, vm_id)


def _check_id(call: Call, vm_id: str) -> None:
    if not same(segment(vm_id, "subscriptions"), call.parts["subscription"]):
        raise Refusal(400, "BadRequest", f"Resource '{vm_id}' is not of the subscription of the request.")
    if _VM_TYPE not in key(vm_id):
        raise Refusal(400, "BadRequest", f"Resource '{vm_id}' is not of the type of the metric namespace.")
    vm = call.state.contents.vms.get(key(vm_id))
    if vm is None:
        raise not_found(vm_id)
    location = re.sub(r"\s", "", str(vm.get("location") or ""))
    if not same(location, call.parts["region"]):
        raise Refusal(400, "BadRequest", f"Resource '{vm_id}' is not in the region of the endpoint.")


def _grid(call: Call, bins: int) -> Grid:
    """Points of the request, which end at the present time."""
    start, end = (_time(call, name) for name in ("starttime", "endtime"))
    if end <= start:
        raise Refusal(400, "BadRequest", "The end time is not after the start time.")
    minutes = 5 * bins
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    past = -(-int((start - midnight).total_seconds()) // (60 * minutes))
    first = datetime.fromtimestamp(midnight.timestamp() + past * 60 * minutes, UTC)
    return Grid(first, max(first, min(end, call.state.clock.now())), bins)


def _time(call: Call, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(call.query.get(name, ""))
    except ValueError as exc:
        raise Refusal(400, "BadRequest", f"The {name} is not valid: {call.query.get(name, '')}") from exc
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
