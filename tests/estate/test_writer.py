"""An estate is staged and published: parts are numbered, metrics noted, and failures leave nothing behind."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optimizer.arm import ArmResources
from optimizer.errors import EstateError
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import open_estate
from optimizer.estate.parts import JOB_SCHEMA
from optimizer.estate.writer import EstateWriter, require_free_folder
from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = date(2026, 2, 28)
EMPTY = ArmResources(NOW, "azure")


def load(day: date = DAY, *vm_ids: str, **metrics: np.ndarray) -> DayLoad:
    values = np.full((len(vm_ids), 288), 12.345, dtype=np.float32)
    return DayLoad(day, tuple(map(ArmId, vm_ids)), values, values, **metrics)


def jobs(*vms: str) -> pl.DataFrame:
    row = dict.fromkeys(JOB_SCHEMA, None) | {"start": NOW, "operation": "Backup", "status": "Completed"}
    return pl.DataFrame([{**row, "vm": vm} for vm in vms], schema=JOB_SCHEMA)


def write(folder: Path, *days: DayLoad, old: EstateDocument | None = None) -> EstateDocument:
    with EstateWriter(folder, old) as writer:
        for day in days:
            writer.add_load(day)
        return writer.commit(EMPTY, created_at=NOW)


def test_parts_are_numbered_within_their_day(tmp_path: Path) -> None:
    """Each day has a folder of its own, in which parts are numbered from 0."""
    document = write(tmp_path / "e", load(DAY, "a"), load(date(2026, 2, 27), "a"), load(DAY, "b"))
    assert [part.path for part in document.load] == [
        "load/date=2026-02-27/part-000.parquet",
        "load/date=2026-02-28/part-000.parquet",
        "load/date=2026-02-28/part-001.parquet",
    ]
    assert [part.rows for part in document.load] == [1, 1, 1]
    assert open_estate(tmp_path / "e").load.read_day(DAY).vm_ids == (ArmId("a"), ArmId("b"))


def test_appending_continues_the_numbers(tmp_path: Path) -> None:
    """Parts of an earlier import stay, and new ones get the next numbers."""
    old = write(tmp_path / "e", load(DAY, "a"))
    kept = (tmp_path / "e" / old.load[0].path).read_bytes()
    document = write(tmp_path / "e", load(DAY, "b"), old=old)
    assert [part.path[-11:-8] for part in document.load] == ["000", "001"]
    assert (tmp_path / "e" / old.load[0].path).read_bytes() == kept


def test_a_day_without_vms_needs_no_part(tmp_path: Path) -> None:
    """An empty day is not written."""
    assert write(tmp_path / "e", load()).load == ()


def test_metrics_that_occur_are_noted(tmp_path: Path) -> None:
    """The document lists the metrics of all parts, old and new ones."""
    old = write(tmp_path / "e", load(DAY, "a", cpu_max=np.ones((1, 288), dtype=np.float32)))
    assert old.load_metadata.columns == ("cpu_percent", "mem_percent", "cpu_max")
    document = write(tmp_path / "e", load(DAY, "a", running=np.ones((1, 288), dtype=np.int8)), old=old)
    assert document.load_metadata.columns == ("cpu_percent", "mem_percent", "cpu_max", "running")


def test_jobs_are_batches(tmp_path: Path) -> None:
    """Each call makes one file; columns have the types of the schema, and repeated jobs are read once."""
    with EstateWriter(tmp_path / "e") as writer:
        writer.add_jobs(jobs("a", "b"))
        writer.add_jobs(jobs("b", "c"))
        document = writer.commit(EMPTY, created_at=NOW)
    assert [part.path for part in document.jobs] == ["jobs/part-000.parquet", "jobs/part-001.parquet"]
    read = open_estate(tmp_path / "e").jobs()
    assert read["vm"].to_list() == ["a", "b", "c"] and dict(read.schema) == JOB_SCHEMA


def test_the_document_is_what_was_given(tmp_path: Path) -> None:
    """Resources, gaps and times are in the document, which is also in the file."""
    resources = ArmResources(NOW, "resources", vms=[{"id": "a"}], missing_vms={ArmId("b"): "hidden"})
    with EstateWriter(tmp_path / "e") as writer:
        document = writer.commit(resources, created_at=NOW, load_gaps={ArmId("a"): "no data"})
    assert document.vms == ({"id": "a"},) and document.load_gaps == {ArmId("a"): "no data"}
    assert open_estate(tmp_path / "e").document == document


@pytest.mark.parametrize("is_new", [True, False])
def test_a_failure_leaves_nothing(tmp_path: Path, is_new: bool) -> None:
    """If the block fails, staged files are removed, and the old estate is as it was."""
    old = None if is_new else write(tmp_path / "e", load(DAY, "a"))
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    writer = EstateWriter(tmp_path / "e", old)
    with pytest.raises(RuntimeError, match="stop"), writer:
        _stage_and_fail(writer)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def _stage_and_fail(writer: EstateWriter) -> None:
    writer.add_load(load(DAY, "b"))
    raise RuntimeError("stop")


def test_folders_that_are_free(tmp_path: Path) -> None:
    """A folder that is absent or empty is free; parents are made."""
    require_free_folder(tmp_path / "none")
    require_free_folder(tmp_path)
    write(tmp_path / "a" / "b" / "e", load(DAY, "a"))
    assert (tmp_path / "a" / "b" / "e" / "estate.json").is_file()


def test_folders_that_are_not_free(tmp_path: Path) -> None:
    """A folder with anything in it, and a file, are refused with what to do."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(EstateError, match=r"is not empty; choose a new folder$"):
        require_free_folder(tmp_path)
    with pytest.raises(EstateError, match="choose a new folder, or pass --append to add to the estate in it"):
        require_free_folder(tmp_path, can_append=True)
    with pytest.raises(EstateError, match="is a file, not a folder; choose another name"):
        EstateWriter(tmp_path / "file")
