"""Decodes an answer of ``metrics:getBatch`` from bytes to arrays in 5-minute bins.

The client's own ``query_resources`` drops the ids of the resources and decodes 34,000 points a second. This module
decodes about two million.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.timegrid import BIN_MINUTES, BINS_PER_DAY

Floats = npt.NDArray[np.float32]

_OUTSIDE = -(10**6)
"""Bin of an unreadable time: outside every day."""

AGGREGATIONS = ("average", "maximum", "minimum")


class _Point(msgspec.Struct, gc=False):
    timeStamp: str  # noqa: N815 - the service's spelling
    average: float | None = None
    maximum: float | None = None
    minimum: float | None = None


class _Series(msgspec.Struct):
    data: list[_Point] | None = None


class _Name(msgspec.Struct):
    value: str | None = None


class _Metric(msgspec.Struct):
    name: _Name | None = None
    timeseries: list[_Series] | None = None
    errorCode: str | None = None  # noqa: N815
    errorMessage: str | None = None  # noqa: N815


class _Resource(msgspec.Struct):
    resourceid: str | None = None
    value: list[_Metric] | None = None


class _Answer(msgspec.Struct):
    values: list[_Resource] | None = None


_DECODER = msgspec.json.Decoder(_Answer)
_T = TypeVar("_T")


@dataclass
class BatchAnswer:
    """Metrics of the VMs in one request.

    Parameters
    ----------
    values
        Values by metric (lower case) and aggregation, shape (N, 288); NaN where the answer has none.
    refused
        Error that the service states for a metric of a VM, by the position of the VM.
    points
        Number of points that have a value.
    """

    values: dict[tuple[Caseless, str], Floats] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    points: int = 0


def read_answer(content: bytes, vm_ids: Sequence[str], day: date, aggregations: Sequence[str]) -> BatchAnswer:
    """Decode an answer to arrays in the order of ``vm_ids``; the answer may have any order and spelling of ids.

    Parameters
    ----------
    content
        The answer as JSON.
    vm_ids
        Ids of the requested VMs.
    day
        UTC day of the requested points; other points are skipped.
    aggregations
        Aggregations to read, from ``average``, ``maximum`` and ``minimum``.

    Raises
    ------
    msgspec.DecodeError
        The content is incomplete, or is not an answer of this kind. If only a part of an answer has an unexpected
        form, e.g. text instead of a number, only that part is lost.
    """
    try:
        resources = _resources(content)
    except RecursionError as exc:
        raise msgspec.DecodeError("JSON nested too deep") from exc
    rows = {ArmId(vm_id): row for row, vm_id in enumerate(vm_ids)}
    answer = BatchAnswer()
    for position, resource in enumerate(resources):
        row = rows.get(ArmId(resource.resourceid), -1) if resource.resourceid else position
        if 0 <= row < len(vm_ids):
            for metric in resource.value or ():
                _read_metric(answer, metric, row, len(vm_ids), day, aggregations)
    return answer


def _resources(content: bytes) -> list[_Resource]:
    if content[:1] == b'"':  # the service sometimes sends its JSON as a string
        content = msgspec.json.decode(content, type=str).encode("utf-8", "replace")
    try:
        return _DECODER.decode(content).values or []
    except msgspec.ValidationError as exc:  # valid JSON, but not exactly of this form
        return _salvage(content, exc)


def _salvage(content: bytes, exc: msgspec.ValidationError) -> list[_Resource]:
    """Readable parts of an answer, at their original positions, which may be the only link to the VMs.

    Raises
    ------
    msgspec.ValidationError
        The content is not an object with a list of values.
    """
    raw = msgspec.json.decode(content)
    values = raw.get("values") if isinstance(raw, dict) else None
    if not isinstance(values, list):
        raise exc
    return [
        _Resource(_of_type(_part(resource, "resourceid"), str), list(map(_metric, _list(_part(resource, "value")))))
        for resource in values
    ]


def _metric(raw: object) -> _Metric:
    """Readable parts of a metric."""
    return _Metric(
        name=_of_type(_part(raw, "name"), _Name),
        timeseries=[_series(series) for series in _list(_part(raw, "timeseries"))],
        errorCode=_of_type(_part(raw, "errorCode"), str),
        errorMessage=_of_type(_part(raw, "errorMessage"), str),
    )


def _series(raw: object) -> _Series:
    points = (_of_type(point, _Point) for point in _list(_part(raw, "data")))
    return _Series([point for point in points if point is not None])


def _part(node: object, name: str) -> object:
    return node.get(name) if isinstance(node, dict) else None


def _list(node: object) -> list[Any]:
    return node if isinstance(node, list) else []


def _of_type(value: object, kind: type[_T]) -> _T | None:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None


def _read_metric(
    answer: BatchAnswer, metric: _Metric, row: int, num_vms: int, day: date, aggregations: Sequence[str]
) -> None:
    if metric.errorCode and Caseless(metric.errorCode) != "Success":
        answer.refused[row] = f"{metric.errorCode}: {metric.errorMessage or 'the service states no reason'}"
    name = Caseless((metric.name.value or "") if metric.name is not None else "")
    filled = (series.data for series in metric.timeseries or () if series.data)
    for points, aggregation in product(filled, aggregations):
        values = _column(points, aggregation)
        known = ~np.isnan(values)
        if not known.any():
            continue
        grid = answer.values.setdefault((name, aggregation), np.full((num_vms, BINS_PER_DAY), np.nan, np.float32))
        bins = _bins(points, day)
        inside = known & (bins >= 0) & (bins < BINS_PER_DAY)
        grid[row, bins[inside]] = values[inside]
        answer.points += int(inside.sum())


def _column(points: list[_Point], aggregation: str) -> Floats:
    return np.array(list(map(attrgetter(aggregation), points)), dtype=np.float32)  # None becomes NaN


def _bins(points: list[_Point], day: date) -> npt.NDArray[np.int64]:
    """Bin of the day for each point; outside 0 to 287 for points of other days.

    If the times are distinct and on the grid, and the first and last are as far apart as the number of points implies,
    there are no gaps, and the first time determines the others. Unreadable times are outside.
    """
    first, last = _bin(points[0].timeStamp, day), _bin(points[-1].timeStamp, day)
    if last - first == len(points) - 1:
        return np.arange(first, last + 1)
    return np.array([_bin(point.timeStamp, day) for point in points])


def _bin(stamp: str, day: date) -> int:
    """Bin for ``YYYY-MM-DDTHH:MM...Z``; ``_OUTSIDE`` if the text is not such a time."""
    try:
        days = (date(int(stamp[:4]), int(stamp[5:7]), int(stamp[8:10])) - day).days
        return days * BINS_PER_DAY + (int(stamp[11:13]) * 60 + int(stamp[14:16])) // BIN_MINUTES
    except ValueError:
        return _OUTSIDE
