"""An estate folder says what is wrong with it, and reads back what was written."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optimizer.arm import ArmResources
from optimizer.errors import EstateError
from optimizer.estate.document import ESTATE_FILE, EstateDocument
from optimizer.estate.folder import open_estate
from optimizer.estate.parts import JOB_SCHEMA
from optimizer.estate.writer import EstateWriter
from optimizer.intake.estate_import import import_estate
from optimizer.model.load import DayLoad, merge_days
from optimizer.ports import LoadSource
from tests.intake.inputs import contents, write_load, write_vms

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = date(2026, 2, 27)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A small imported estate."""
    import_estate(write_vms(tmp_path), write_load(tmp_path), tmp_path / "estate")
    return tmp_path / "estate"


def _commit(writer: EstateWriter, created_at: datetime = NOW, as_of: datetime = NOW) -> EstateDocument:
    return writer.commit(ArmResources(as_of, "azure"), created_at=created_at)


def _day(vm_ids: tuple[str, ...], value: float, **metrics: object) -> DayLoad:
    cpu = np.full((len(vm_ids), 288), value, dtype=np.float32)
    return DayLoad(DAY, vm_ids, cpu, cpu / 2, **metrics)  # type: ignore[arg-type]


def test_newer_schema_asks_for_an_upgrade(folder: Path) -> None:
    """A later version of the program wrote it: say which version it is, which are read, and what to do."""
    file = folder / ESTATE_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema_version": 2, "new_field": 1}))
    with pytest.raises(EstateError, match="has schema version 2, this program reads versions up to 1: upgrade"):
        open_estate(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "'schema_version' is None"),
        ('{"schema_version": "1"}', "'schema_version' is '1'"),
        ('{"schema_version": 1}', "created_at is missing; as_of is missing; source is missing"),
        ('{"schema_version": 1, "created_at": "2026-01-01T00:00:00"}', "has no UTC offset"),
        ('{"schema_version": 1, "as_of": "9999-12-31T23:00:00Z"}', "as_of: .* out of range; allowed: the years 2000"),
        ('{"schema_version": 1, "as_of": "0001-01-01T00:00:00+14:00"}', "as_of: .* out of range; allowed: the years"),
    ],
)
def test_damaged_document_is_named(folder: Path, content: str, message: str) -> None:
    """What is no estate document is refused with the reason and what to do."""
    (folder / ESTATE_FILE).write_text(content)
    with pytest.raises(EstateError, match=message) as caught:
        open_estate(folder)
    assert str(folder / ESTATE_FILE) in str(caught.value)


def test_unknown_field_is_named(folder: Path) -> None:
    """A field that this version does not know is not silently dropped."""
    file = folder / ESTATE_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | {"surprise": 1}))
    with pytest.raises(EstateError, match="surprise is not a key that is known here"):
        open_estate(folder)


def test_folder_without_estate_is_named(tmp_path: Path) -> None:
    """An empty folder and a file are no estates."""
    with pytest.raises(EstateError, match=r"is not an estate folder: it contains no estate\.json; give the folder"):
        open_estate(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(EstateError, match="is a file, not an estate folder"):
        open_estate(tmp_path / "file")


@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_damaged_load_is_named(folder: Path, damage: str) -> None:
    """A part that is cut off, changed or gone is named, with what to do, and never read as load."""
    estate = open_estate(folder)
    file = folder / estate.document.load[0].path
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        middle = len(content) // 2
        file.write_bytes(content[:middle] if damage == "cut" else content[:middle] + b"\0\1" + content[middle + 2 :])
    with pytest.raises(EstateError, match="again") as caught:
        estate.load.read_day(estate.load.dates()[0])
    assert str(file) in str(caught.value)
    assert estate.load.read_day(estate.load.dates()[1]).vm_ids == ("db-1", "web-1")
    if damage != "changed":
        with pytest.raises(EstateError, match="again"):
            estate.load.read_vm("db-1")


def test_fingerprint_covers_everything_but_the_time_of_writing(tmp_path: Path) -> None:
    """Two writings of one estate have one fingerprint; another sample or time makes another."""
    found = {}
    for name, created_at, as_of, value in (
        ("first", NOW, NOW, 1.0),
        ("later", NOW + timedelta(days=1), NOW, 1.0),
        ("other-load", NOW, NOW, 2.0),
        ("other-time", NOW, NOW + timedelta(hours=1), 1.0),
    ):
        with EstateWriter(tmp_path / name) as writer:
            writer.add_load(_day(("a",), value))
            _commit(writer, created_at, as_of)
        found[name] = open_estate(tmp_path / name).fingerprint
    assert found["first"] == found["later"]
    assert len(set(found.values())) == 3
    assert found["first"].startswith("sha256:")
    assert len(found["first"]) == len("sha256:") + 64


def test_document_round_trips(folder: Path) -> None:
    """What is written is what is read, in UTC."""
    document = open_estate(folder).document
    assert EstateDocument.model_validate(json.loads(document.to_json())) == document
    assert document.as_of.tzinfo is UTC
    assert document.load_metadata.columns == ("cpu_percent", "mem_percent")
    assert sum(part.rows for part in document.load) == 4


def test_store_is_a_load_source(folder: Path) -> None:
    """Days without load are empty rather than errors."""
    source: LoadSource = open_estate(folder).load
    assert source.dates() == (date(2026, 1, 5), date(2026, 1, 6))
    assert source.read_day(date(2026, 1, 7)).vm_ids == ()
    assert source.read_day(date(2026, 1, 7)).cpu_percent.shape == (0, 288)


def test_every_vm_is_found_among_many(tmp_path: Path) -> None:
    """A VM's rows are its own, whichever row group they are in, with ids that begin alike."""
    prefix = "/subscriptions/11111111-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.Compute/"
    vm_ids = tuple(f"{prefix}virtualMachines/vm-{number:04d}" for number in range(700))
    cpu = np.repeat(np.arange(700, dtype=np.float32)[:, None] / 10, 288, axis=1)
    running = np.ones((700, 288), dtype=np.int8)
    with EstateWriter(tmp_path / "estate") as writer:
        writer.add_load(DayLoad(DAY, vm_ids, cpu, cpu, running=running))
        writer.add_load(DayLoad(DAY + timedelta(days=1), vm_ids[300:], cpu[300:], cpu[300:]))
        _commit(writer)
    store = open_estate(tmp_path / "estate").load
    for number in (0, 255, 256, 299, 300, 699):
        load = store.read_vm(vm_ids[number])
        days = 1 + (number >= 300)
        assert load.dates == (DAY, DAY + timedelta(days=1))[:days]
        assert np.unique(load.cpu_percent).tolist() == [np.float32(number / 10)]
        assert load.running is not None
        assert load.running.tolist() == [[1] * 288, [-1] * 288][:days]


def test_parts_of_a_day_fill_each_other() -> None:
    """Of two parts each knows some bins, VMs and metrics; together they know all."""
    left, right = _day(("a", "b"), 10.0, cpu_max=np.full((2, 288), 20, dtype=np.float32)), _day(("b", "c"), 30.0)
    left.cpu_percent[:, 100:] = np.nan
    merged = merge_days([left, right])
    assert merged.vm_ids == ("a", "b", "c")
    assert merged.cpu_percent[1].tolist() == [10.0] * 100 + [30.0] * 188
    assert np.isnan(merged.cpu_percent[0, 100:]).all()
    assert (merged.cpu_percent[2] == 30).all()
    assert merged.cpu_max is not None
    assert np.isnan(merged.cpu_max[2]).all()
    assert (merged.cpu_max[:2] == 20).all()


def test_jobs_round_trip_and_are_counted_once(tmp_path: Path) -> None:
    """Pulls overlap: a job that two of them saw is one; unknown times and codes are null."""
    row = {
        "vm": "a",
        "vault": "v",
        "start": NOW - timedelta(hours=2),
        "end": NOW - timedelta(hours=1),
        "scheduled": None,
        "operation": "Backup",
        "status": "Completed",
        "error_code": None,
    }
    jobs = pl.DataFrame([row, row | {"start": NOW - timedelta(hours=9), "status": "Failed"}], schema=JOB_SCHEMA)
    with EstateWriter(tmp_path / "estate") as writer:
        writer.add_jobs(jobs)
        writer.add_jobs(jobs[:1])
        _commit(writer)
    estate = open_estate(tmp_path / "estate")
    assert [part.path for part in estate.document.jobs] == ["jobs/part-000.parquet", "jobs/part-001.parquet"]
    assert estate.jobs().equals(jobs.sort("start"))
    with EstateWriter(tmp_path / "none") as writer:
        _commit(writer)
    assert open_estate(tmp_path / "none").jobs().schema == pl.Schema(JOB_SCHEMA)


def test_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    """Where the caller fails before the end, there is neither an estate nor a trace of one."""
    writer = EstateWriter(tmp_path / "new" / "estate")
    with contextlib.suppress(RuntimeError), writer:
        writer.add_load(_day(("a",), 1.0))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_killed_append_leaves_the_old_estate(folder: Path) -> None:
    """A process that dies after staging, or after moving parts in, costs nothing: the old document rules."""
    script = f"""
import os
from datetime import UTC, datetime, date
from pathlib import Path
import numpy as np
from optimizer.estate import EstateWriter, open_estate
from optimizer.model.load import DayLoad
folder = Path({str(folder)!r})
writer = EstateWriter(folder, open_estate(folder).document)
ones = np.ones((1, 288), dtype=np.float32)
writer.add_load(DayLoad(date(2026, 1, 6), ("zz",), ones, ones))
writer._publish_parts()
os._exit(9)
"""
    before = open_estate(folder)
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False, timeout=120).returncode == 9
    assert (folder / "load/date=2026-01-06/part-001.parquet").exists()
    after = open_estate(folder)
    assert after.fingerprint == before.fingerprint
    assert after.load.read_day(date(2026, 1, 6)).vm_ids == ("db-1", "web-1")
    with EstateWriter(folder, after.document) as writer:  # the next append takes the orphan's place
        writer.add_load(DayLoad(date(2026, 1, 6), ("new",), *(np.ones((2, 1, 288), dtype=np.float32))))
        _commit(writer)
    assert open_estate(folder).load.read_day(date(2026, 1, 6)).vm_ids == ("db-1", "new", "web-1")


def test_empty_folder_may_become_an_estate(tmp_path: Path) -> None:
    """A folder that the user made beforehand is as good as none."""
    (tmp_path / "estate").mkdir()
    import_estate(write_vms(tmp_path), write_load(tmp_path), tmp_path / "estate")
    names = set(contents(tmp_path / "estate"))
    assert names == {ESTATE_FILE, *(f"load/date=2026-01-0{day}/part-000.parquet" for day in (5, 6))}
    assert (tmp_path / "estate").stat().st_mode & 0o777 == (tmp_path / "estate" / "load").stat().st_mode & 0o777


@pytest.mark.parametrize("room", ["arm", "demo", "estate", "files", "intake"])
def test_names_are_imported_when_they_are_used(room: str) -> None:
    """Importing a room is cheap, because polars and numpy wait for the first use of a name that needs them."""
    script = f"import sys, optimizer.{room} as room; assert not {{'polars', 'numpy'}} & set(sys.modules); dir(room)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
