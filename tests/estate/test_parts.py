"""Parquet files of an estate: what is written is read, and damage is noticed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import EstateError
from optimizer.estate.document import EstateFile
from optimizer.estate.parts import (
    digest,
    encode,
    encode_day,
    find_rows,
    names_in_parts,
    read_part,
    to_arrays,
)
from optimizer.files.remote import Location, RemotePath
from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad

DAY = date(2026, 2, 28)
PATHS = ["jobs/part-000.parquet", "jobs/part-001.parquet"]


def load(*vm_ids: str) -> DayLoad:
    """Load in which the CPU of each VM is its number."""
    cpu = np.repeat(np.arange(len(vm_ids), dtype=np.float32), 288).reshape(-1, 288)
    return DayLoad(DAY, tuple(map(ArmId, vm_ids)), cpu, cpu)


def place(folder: Path, number: int, content: bytes, rows: int = 1) -> EstateFile:
    """Write a file as a part."""
    file = folder / PATHS[number]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    return EstateFile(path=PATHS[number], rows=rows, bytes=len(content), sha256=digest(content))


@pytest.fixture(params=["local", "remote"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """The folder itself, and the same folder by URL."""
    return tmp_path if request.param == "local" else RemotePath(f"file://{tmp_path}")


@given(st.lists(st.floats(0, 100, width=32), min_size=288, max_size=288))
def test_a_day_is_read_as_it_was_written(values: list[float]) -> None:
    """Values survive with two decimals; metrics that are None are no columns."""
    cpu = np.array([values], dtype=np.float32)
    running = np.zeros((1, 288), dtype=np.int8)
    content = encode_day(DayLoad(DAY, (ArmId("A"),), cpu, cpu * np.nan, running=running))
    frame = pl.read_parquet(content)
    assert frame.columns == ["vm", "cpu_percent", "mem_percent", "running"] and frame["vm"].to_list() == ["A"]
    arrays = to_arrays(frame)
    np.testing.assert_array_equal(arrays["cpu_percent"], np.round(cpu, 2))
    assert np.isnan(arrays["mem_percent"]).all() and arrays["running"].dtype == np.int8


def test_a_part_is_read_whole_or_between_vms(tmp_path: Path, where: Location) -> None:
    """All rows, or those from the first to the last of some VMs, in any case."""
    part = place(tmp_path, 0, encode_day(load("a", "b", "c", "d")), 4)
    assert read_part(where, part)["vm"].to_list() == ["a", "b", "c", "d"]
    assert read_part(where, part, ["D", "b"])["vm"].to_list() == ["b", "c", "d"]
    assert read_part(where, part, ["x"]).height == 0


def test_one_vm_is_found_in_each_part(tmp_path: Path, where: Location) -> None:
    """Each part has a row of the VM or none."""
    parts = [place(tmp_path, 0, encode_day(load("a", "b"))), place(tmp_path, 1, encode_day(load("c", "d", "B")))]
    assert [frame["vm"].to_list() for frame in find_rows(where, parts, "b")] == [["b"], ["B"]]
    assert [frame.height for frame in find_rows(where, parts, "d")] == [0, 1]
    assert [frame.height for frame in find_rows(where, parts, "none")] == [0, 0]
    assert float(find_rows(where, parts, "b")[1]["cpu_percent"].to_numpy()[0, 0]) == 2


def test_names_of_all_parts(tmp_path: Path, where: Location) -> None:
    """Each spelling occurs once, in order; an estate without load has no names."""
    parts = [place(tmp_path, 0, encode_day(load("b", "a"))), place(tmp_path, 1, encode_day(load("b", "c")))]
    assert names_in_parts(where, parts) == ["a", "b", "c"]
    assert names_in_parts(where, []) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "it has 0 bytes instead of"),
        (None, "cannot read"),
    ],
    ids=["cut off", "missing"],
)
def test_incomplete_files_are_noticed(tmp_path: Path, where: Location, content: bytes | None, expected: str) -> None:
    """A file that is missing or has another length is refused wherever it is read."""
    part = place(tmp_path, 0, encode_day(load("a")))
    file = tmp_path / part.path
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    for attempt in (lambda: read_part(where, part), lambda: find_rows(where, [part], "a"),
                    lambda: names_in_parts(where, [part])):  # fmt: skip
        with pytest.raises(EstateError, match="again instead of") as refused:
            attempt()
        assert expected in str(refused.value)


def test_changed_content_is_noticed(tmp_path: Path, where: Location) -> None:
    """A file of the right length with other content is never used as load."""
    content = encode_day(load("a"))
    part = place(tmp_path, 0, content)
    (tmp_path / part.path).write_bytes(content[:-9] + b"x" + content[-8:])
    with pytest.raises(EstateError, match="is damaged: its content is not what was written"):
        read_part(where, part)


def test_files_that_are_no_parquet(tmp_path: Path, where: Location) -> None:
    """A file with a right digest and wrong content is refused with its name."""
    part = place(tmp_path, 0, b"x" * 100)
    with pytest.raises(EstateError, match="is no readable Parquet file"):
        read_part(where, part)
    with pytest.raises(EstateError, match=r"a load file below .* is no readable Parquet file"):
        find_rows(where, [part], "a")
    with pytest.raises(EstateError, match="is no readable Parquet file"):
        names_in_parts(where, [part])


def test_equal_frames_have_equal_files() -> None:
    """The digest of a part depends on its content only."""
    frame = pl.DataFrame({"vm": ["a"]})
    assert digest(encode(frame)) == digest(encode(frame.clone()))
    assert len(digest(b"")) == 64
