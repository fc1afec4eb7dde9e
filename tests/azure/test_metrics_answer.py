"""Decoding of metrics: null, nonsense and cut answers cost only the VM that they are about."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pytest

from optimizer.azure.metrics_answer import read_answer
from tests.azure.wire import (
    measured,
    vm,
)

DAY = date(2026, 2, 28)


GOOD = measured(vm(0), ["Percentage CPU"])
POINT = {"timeStamp": "2026-02-28T10:00:00Z", "average": 50.0}


def series(*points: Any) -> list[Any]:
    """One series."""
    return [{"name": {"value": "Percentage CPU"}, "timeseries": [{"data": list(points)}]}]


@pytest.mark.parametrize(
    "strange",
    [
        {"resourceid": None, "value": None},
        {"resourceid": vm(1), "value": None},
        {"resourceid": vm(1), "value": [None]},
        {"resourceid": vm(1), "value": {}},
        {"resourceid": 5, "value": []},
        {"resourceid": vm(1), "value": [{"name": None, "timeseries": None}]},
        {"resourceid": vm(1), "value": [{"name": {"value": None}, "timeseries": []}]},
        {"resourceid": vm(1), "value": [{"name": "Percentage CPU", "timeseries": [None]}]},
        {"resourceid": vm(1), "value": [{"name": {"value": 7}, "timeseries": [{"data": None}]}]},
        {"resourceid": vm(1), "value": [{"errorCode": 5, "errorMessage": None}]},
        {"resourceid": vm(1), "value": series(None)},
        {"resourceid": vm(1), "value": series({"timeStamp": None, "average": 1.0})},
        {"resourceid": vm(1), "value": series({"timeStamp": "2026-02-28T10:00:00Z", "average": "NaN"})},
        {"resourceid": vm(1), "value": series({"timeStamp": "yesterday", "average": 1.0})},
        {"resourceid": vm(1), "value": series({"timeStamp": "2026-02-31T10:00:00Z", "average": 1.0})},
        {"resourceid": vm(1), "value": series({"average": 1.0})},
        None,
        "nonsense",
        [],
    ],
    ids=lambda strange: re.sub(r"/subscriptions/[^\"]*/", "", json.dumps(strange)),
)
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_null_and_nonsense_lose_no_other_vm(strange: Any, first: bool) -> None:
    """Whatever stands for one VM in an answer, the other one's load is read."""
    values = [strange, GOOD] if first else [GOOD, strange]
    answer = read_answer(json.dumps({"values": values}).encode(), [vm(0), vm(1)], DAY, ("average",))
    cpu = answer.values["percentage cpu", "average"]
    assert cpu[0, 120] == 50.0
    assert answer.points == 1
    assert np.isnan(cpu[1]).all()


def test_what_is_good_in_a_broken_series_is_read() -> None:
    """A point that cannot be read leaves a gap of one point."""
    data = [None, POINT, {"timeStamp": "2026-02-28T10:05:00Z", "average": "x"}, {**POINT, "timeStamp": 5}]
    content = json.dumps({"values": [{"resourceid": vm(0), "value": series(*data)}]}).encode()
    cpu = read_answer(content, [vm(0)], DAY, ("average",)).values["percentage cpu", "average"]
    assert np.flatnonzero(~np.isnan(cpu[0])).tolist() == [120]


@pytest.mark.parametrize("values", [None, []])
def test_no_values_are_no_load(values: Any) -> None:
    """A batch without any values is read as VMs without load."""
    assert read_answer(json.dumps({"values": values}).encode(), [vm(0)], DAY, ("average",)).points == 0


@pytest.mark.parametrize("content", [b"[]", b'{"values": {}}', b"null", b'"x"', b"[" * 100_000])
def test_what_is_no_answer_is_said(content: bytes) -> None:
    """Other JSON than an object with a list of values is no answer, however deep it is."""
    with pytest.raises(msgspec.DecodeError):
        read_answer(content, [vm(0)], DAY, ("average",))


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
