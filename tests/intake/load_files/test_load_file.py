"""A load file is checked before its load is read, a few days at a time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optimizer.errors import DataError, UsageError
from optimizer.intake.load_files.load_file import LoadCounts, LoadFile, _passes, _split_at_holes, open_load
from optimizer.intake.problems import Problems
from optimizer.model.arm_id import ArmId
from optimizer.model.load import DayLoad
from tests.intake.inputs import BEGIN, load_frame, write_load

VMS = (ArmId("db-1"), ArmId("web-1"))


def read(file: LoadFile, **options: int) -> tuple[list[DayLoad], LoadCounts, Problems]:
    counts, problems = LoadCounts(), Problems("load")
    days = list(file.read(file.overview(), VMS, counts, problems, **options))  # type: ignore[arg-type]
    return days, counts, problems


def refused(frame: pl.DataFrame, folder: Path) -> str:
    with pytest.raises(DataError) as error:
        read(LoadFile(write_load(folder, frame)))[2].raise_any()
    return str(error.value)


def test_the_overview_counts_rows_and_names(tmp_path: Path) -> None:
    """The first pass finds VMs, days, and the first and last time."""
    overview = LoadFile(write_load(tmp_path)).overview()
    assert overview.names == ["db-1", "web-1"]
    assert overview.rows == {date(2026, 1, 5): 576, date(2026, 1, 6): 576}
    assert (overview.first, overview.last) == (BEGIN, BEGIN + timedelta(days=2, minutes=-5))


@pytest.mark.parametrize("rows_per_pass", [1, 700, 10_000])
def test_the_size_of_a_pass_does_not_matter(tmp_path: Path, rows_per_pass: int) -> None:
    """Reading day by day and reading all at once give the same load and the same counts."""
    file = LoadFile(write_load(tmp_path, load_frame(interval_minutes=15, samples=192)))
    days, counts, problems = read(file, rows_per_pass=rows_per_pass)
    whole, all_counts, _ = read(file)
    assert not problems and counts == all_counts and counts.samples == 384
    for mine, theirs in zip(days, whole, strict=True):
        assert mine.vm_ids == theirs.vm_ids == VMS
        np.testing.assert_array_equal(mine.cpu_percent, theirs.cpu_percent)


def test_other_vms_are_counted_and_left_out(tmp_path: Path) -> None:
    """Samples of VMs that are not asked for are counted."""
    days, counts, _ = read(LoadFile(write_load(tmp_path, load_frame(("DB-1", "other"), samples=12))))
    assert [day.vm_ids for day in days] == [(VMS[0],)]
    assert (counts.samples, counts.unknown_vm_samples) == (12, 12)


def test_values_that_overshoot_are_clipped(tmp_path: Path) -> None:
    """Up to 105 percent counts as 100; more, and less than 0, is a fault with the first place of each VM."""
    frame = load_frame(("db-1",), samples=4).with_columns(cpu_percent=pl.Series([104.0, 106.0, -1.0, 50.0]))
    _, counts, problems = read(LoadFile(write_load(tmp_path, frame)))
    assert counts.clipped == 1 and counts.invalid == 2
    with pytest.raises(DataError, match=r"db-1 at 2026-01-05T00:05:00Z: cpu_percent is 106; .*\(1 more like this\)"):
        problems.raise_any()
    (day,), counts, problems = read(LoadFile(write_load(tmp_path, frame)), drop_invalid=True)
    assert not problems and counts.invalid == 2
    assert day.cpu_percent[0, 0] == 100 and np.isnan(day.cpu_percent[0, 1:3]).all()


def test_intervals_and_times_off_the_grid_are_noted(tmp_path: Path) -> None:
    """The intervals that occur are noted, and samples between grid times counted."""
    frame = load_frame(("db-1",), begin=BEGIN + timedelta(seconds=30), samples=6)
    _, counts, _ = read(LoadFile(write_load(tmp_path, frame)))
    assert counts.intervals == {5} and counts.off_grid == 6


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"ts": pl.lit("2026-01-05")}, "ts is String; allowed: a timestamp with a zone, such as UTC"),
        ({"ts": pl.col("ts").dt.replace_time_zone(None)}, "ts has no time zone (first value 2026-01-05 00:00:00)"),
        ({"cpu_percent": pl.lit("busy")}, "VM db-1: cpu_percent is 'busy'; allowed: a number or null"),
        ({"cpu_percent": pl.lit(True)}, "cpu_percent is Boolean; allowed: numbers from 0 to 100, or null"),
        ({"running": pl.lit(1)}, "running is Int32; allowed: true, false or null"),
        ({"vm": pl.lit(None, pl.String)}, "vm is None"),
        ({"ts": pl.lit(datetime(1900, 1, 1, tzinfo=UTC))}, "ts is 1900-01-01T00:00:00Z; allowed: the years"),
    ],
)
def test_columns_that_cannot_be_used(tmp_path: Path, columns: dict[str, pl.Expr], expected: str) -> None:
    """Each wrong type, missing value and impossible time is named with what is allowed."""
    assert expected in refused(load_frame(samples=3).with_columns(**columns), tmp_path)


@pytest.mark.parametrize("column", ["vm", "ts", "cpu_percent", "mem_percent"])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    """A file without a column that is needed says which, and what it has."""
    assert f"lacks the column {column}; it has" in refused(load_frame(samples=3).drop(column), tmp_path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """A file with columns and without rows is empty."""
    assert "is empty; export the load" in refused(load_frame(samples=3).clear(), tmp_path)


def test_files_that_are_no_parquet(tmp_path: Path) -> None:
    """A missing file and one with other content are refused."""
    with pytest.raises(DataError, match="there is no such file"):
        LoadFile(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and then something else")
    with pytest.raises(DataError, match="is no readable Parquet file"):
        LoadFile(tmp_path / "bad.parquet")


def test_samples_too_far_apart_are_refused(tmp_path: Path) -> None:
    """Load every two hours does not show what lies between."""
    text = refused(load_frame(("db-1",), interval_minutes=120, samples=24), tmp_path)
    assert "samples of a VM are mostly 120 minutes apart; allowed: a regular interval from 1 to 60 minutes" in text


def test_a_single_time_far_away_is_refused(tmp_path: Path) -> None:
    """One wrong year would stretch the history; the part with most rows is taken to be right."""
    late = load_frame(("web-1",), begin=datetime(2030, 1, 1, tzinfo=UTC), samples=1)
    text = refused(pl.concat([load_frame(), late]), tmp_path)
    assert "VM web-1: ts is 2030-01-01T00:00:00Z; most rows are from 2026-01-05 to 2026-01-06" in text


def test_contradictions_name_vm_time_and_values(tmp_path: Path) -> None:
    """Two rows of one time with different values are a fault."""
    frame = load_frame(("db-1",), samples=2)
    other = frame.head(1).with_columns(cpu_percent=pl.lit(99.0), mem_percent=frame["mem_percent"][0])
    text = refused(pl.concat([frame.with_columns(cpu_percent=pl.lit(1.0)), other]), tmp_path)
    assert "VM db-1 at 2026-01-05T00:00:00Z: cpu_percent is 1 and 99; keep one of the rows" in text


def test_times_without_a_zone_take_the_given_one(tmp_path: Path) -> None:
    """With --zone, times are read in it; an unknown zone is a mistake of the command."""
    naive = load_frame(samples=3).with_columns(pl.col("ts").dt.replace_time_zone(None))
    with open_load(write_load(tmp_path, naive), "Asia/Kolkata") as file:
        assert file.overview().first == BEGIN - timedelta(hours=5, minutes=30)
    with pytest.raises(UsageError, match="--zone: "), open_load(tmp_path / "load.parquet", "Mars"):
        pass


def test_unused_columns_are_listed(tmp_path: Path) -> None:
    """Columns that import does not know are not used, and named."""
    assert LoadFile(write_load(tmp_path, load_frame(samples=1, disk=[1, 2]))).unused == ["disk"]


def test_plain_names_get_their_group(tmp_path: Path) -> None:
    """With a column for groups, a plain name becomes group/name; ids and empty groups stay."""
    frame = load_frame(("web", "/id/web", "db"), samples=1, resource_group=["rg", "rg", " "])
    assert LoadFile(write_load(tmp_path, frame)).overview().names == ["/id/web", "db", "rg/web"]


def days(*numbers: int) -> list[date]:
    return [date(2026, 1, 1) + timedelta(days=number) for number in numbers]


def test_passes_have_about_the_same_size() -> None:
    """Days are grouped up to the limit; a day above it, and a gap of more than a week, begin a group."""
    rows = dict(zip(days(0, 1, 2, 3, 20, 21), [4, 4, 4, 50, 1, 1], strict=True))
    assert list(_passes(rows, 10)) == [days(0, 1), days(2), days(3), days(20, 21)]


def test_holes_split_the_history() -> None:
    """Only a gap of more than a year splits the history."""
    assert _split_at_holes(days(0, 1, 367, 800)) == [days(0, 1, 367), days(800)]
    assert _split_at_holes([]) == []
