"""An import puts every sample where it belongs, says what it accepted, and can be continued month by month."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.demo.generate import generate_demo
from optimizer.errors import DataError, EstateError
from optimizer.estate.folder import Estate, open_estate
from optimizer.intake.estate_import import import_estate
from optimizer.intake.load_files.load_file import LoadCounts, LoadFile
from optimizer.intake.problems import Problems
from optimizer.model.load import DayLoad
from optimizer.model.timegrid import Frequency, format_start
from tests.intake.inputs import (
    BEGIN,
    DAILY,
    HEADER,
    WEEKLY,
    contents,
    load_frame,
    write_load,
    write_vms,
)

TRACE = Path(__file__).parents[3] / "shared" / "traces" / "bitbrains_jul_aug_5min.parquet"


def _imported(folder: Path, frame: pl.DataFrame, **options: bool) -> tuple[Estate, tuple[str, ...]]:
    report = import_estate(write_vms(folder), write_load(folder, frame), folder / "estate", **options)
    return open_estate(folder / "estate"), report.notes


def _days(estate: Estate) -> list[DayLoad]:
    return [estate.load.read_day(day) for day in estate.load.dates()]


def _same(left: DayLoad, right: DayLoad) -> None:
    assert left.vm_ids == right.vm_ids
    for metric in ("cpu_percent", "mem_percent", "cpu_max", "mem_max", "running"):
        np.testing.assert_array_equal(getattr(left, metric), getattr(right, metric), err_msg=metric)


def _bins(estate: Estate, vm: str, metric: str = "cpu_percent") -> list[float]:
    return [round(float(value), 2) for value in getattr(estate.load.read_vm(vm), metric).ravel()]


def test_samples_come_back_as_they_were(tmp_path: Path) -> None:
    """Regular 5-minute load round-trips: days, VMs, bins and values."""
    frame = load_frame()
    estate, notes = _imported(tmp_path, frame)
    assert notes == ()
    assert estate.load.dates() == (date(2026, 1, 5), date(2026, 1, 6))
    assert estate.as_of == datetime(2026, 1, 6, 23, 55, tzinfo=UTC)
    for number, day in enumerate(_days(estate)):
        assert day.vm_ids == ("db-1", "web-1")
        assert (day.cpu_max, day.mem_max, day.running) == (None, None, None)
        for row, vm in enumerate(day.vm_ids):
            part = frame.filter(vm=vm)[288 * number : 288 * (number + 1)]
            np.testing.assert_array_equal(day.cpu_percent[row], part["cpu_percent"].cast(pl.Float32).to_numpy())
            np.testing.assert_array_equal(day.mem_percent[row], part["mem_percent"].cast(pl.Float32).to_numpy())


def test_inventory_comes_back_as_it_was_listed(tmp_path: Path) -> None:
    """Vaults, policies, services and schedules are those of ``vms.csv``."""
    estate, _ = _imported(tmp_path, load_frame())
    inventory = estate.inventory()
    assert [item.vm_id for item in inventory.items] == ["db-1", "web-1"]
    weekly, daily = (inventory.policy(item) for item in inventory.items)
    assert (weekly.name, weekly.recurrence.frequency, weekly.recurrence.days) == ("weekend", Frequency.WEEKLY, (2, 6))
    assert (format_start(weekly.start), weekly.timezone) == ("02:30", "UTC")
    assert (daily.name, daily.recurrence.frequency) == ("nightly", Frequency.DAILY)
    assert (format_start(daily.start), daily.timezone) == ("23:00", "W. Europe Standard Time")
    assert {vm.service for vm in inventory.vms.values()} == {"shop"}
    assert [vault.name for vault in inventory.vaults.values()] == ["vault-a"]
    assert [item.unwritable for item in inventory.items] == ["", ""]
    assert daily.items_reported == 1


def test_harmless_spelling_of_the_list_is_accepted(tmp_path: Path) -> None:
    """A byte-order mark, CRLF, quoted fields, blank lines, other columns and an empty zone do no harm."""
    lines = [HEADER + ",owner", "", '"web-1","shop, EU",vault-a,nightly,daily,,23:00,,30,"me"', ",,,,,,,,,", ""]
    vms = tmp_path / "vms.csv"
    vms.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    import_estate(vms, write_load(tmp_path), tmp_path / "estate")
    inventory = open_estate(tmp_path / "estate").inventory()
    assert inventory.vm(inventory.items[0]).service == "shop, EU"
    assert inventory.policy(inventory.items[0]).timezone == "UTC"


def test_vm_without_service_is_its_own(tmp_path: Path) -> None:
    """An empty service makes no service of all the VMs without one."""
    vms = write_vms(tmp_path, DAILY.replace("shop", ""), WEEKLY.replace("shop", ""))
    report = import_estate(vms, write_load(tmp_path), tmp_path / "estate")
    inventory = open_estate(tmp_path / "estate").inventory()
    assert [inventory.vm(item).service for item in inventory.items] == ["db-1", "web-1"]
    assert "2 VMs name no service; each is a service of its own." in report.notes


def test_exact_duplicates_are_dropped_and_said(tmp_path: Path) -> None:
    """Rows that say the same twice count once."""
    frame = load_frame()
    plain, _ = _imported(tmp_path, frame)
    expected = _days(plain)
    (tmp_path / "again").mkdir()
    estate, notes = _imported(tmp_path / "again", pl.concat([frame, frame[10:13]]).sort("vm", "ts"))
    assert notes == ("3 exact duplicates in the load: dropped.",)
    for left, right in zip(_days(estate), expected, strict=True):
        _same(left, right)


def test_unsorted_load_is_sorted_and_said(tmp_path: Path) -> None:
    """The order of rows does not matter; by time is an order too, anything else is said."""
    frame = load_frame()
    plain, _ = _imported(tmp_path, frame)
    expected = _days(plain)
    for name, other, said in (
        ("by-time", frame.sort("ts", "vm"), ()),
        ("shuffled", frame.sample(fraction=1, shuffle=True, seed=3), ("not in order of time; it was sorted",)),
    ):
        (tmp_path / name).mkdir()
        estate, notes = _imported(tmp_path / name, other)
        assert len(notes) == len(said)
        assert all(text in note for text, note in zip(said, notes, strict=True))
        for left, right in zip(_days(estate), expected, strict=True):
            _same(left, right)


def test_overshoot_is_clipped_and_counted(tmp_path: Path) -> None:
    """Up to 105 % is the counter's fault, and still a full machine."""
    estate, notes = _imported(tmp_path, load_frame(samples=288).with_columns(cpu_percent=pl.lit(104.9)))
    assert notes == ("576 values above 100: clipped to 100.",)
    assert set(_bins(estate, "db-1")) == {100.0}


def test_invalid_values_are_dropped_on_request(tmp_path: Path) -> None:
    """With ``drop_invalid`` a value out of range is a missing one."""
    frame = load_frame(samples=288).with_columns(
        cpu_percent=pl.when(pl.int_range(pl.len()) == 3).then(140.0).otherwise(50.0)
    )
    estate, notes = _imported(tmp_path, frame, drop_invalid=True)
    dropped, unknown = notes
    assert dropped == "1 value out of range: treated as missing (--drop-invalid)."
    assert unknown == "0.2 % of the 5-minute bins have no CPU value; they count as unknown, not as idle."
    load = estate.load.read_vm("db-1")
    assert np.flatnonzero(np.isnan(load.cpu_percent)).tolist() == [3]
    assert not np.isnan(load.mem_percent).any()


def test_vms_in_one_file_only_are_said(tmp_path: Path) -> None:
    """A VM without load, and load without a VM, are no reason to stop."""
    estate, notes = _imported(tmp_path, load_frame(("db-1", "stranger")))
    assert "1 VM has no load: web-1." in notes
    assert "1 VM of the load is not in the inventory: stranger; 576 samples were left out." in notes
    assert estate.load.read_day(date(2026, 1, 5)).vm_ids == ("db-1",)
    assert [item.vm_id for item in estate.inventory().items] == ["db-1", "web-1"]


def test_gaps_stay_gaps(tmp_path: Path) -> None:
    """What is not in the file is unknown, be it some bins or whole days, and how much that is, is said."""
    frame = load_frame(samples=4 * 288)
    hole = pl.col("ts").is_between(BEGIN + timedelta(hours=5), BEGIN + timedelta(days=2, hours=3), closed="left")
    estate, notes = _imported(tmp_path, frame.filter(~hole))
    # 46 hours of 96.
    assert notes == ("47.9 % of the 5-minute bins have no CPU value; they count as unknown, not as idle.",)
    assert estate.load.dates() == (date(2026, 1, 5), date(2026, 1, 7), date(2026, 1, 8))
    missing = np.isnan(estate.load.read_vm("web-1").cpu_percent)
    assert missing[0].tolist() == [False] * 60 + [True] * 228
    assert missing[1].tolist() == [True] * 36 + [False] * 252
    assert not missing[2].any()


def test_finer_samples_are_averaged_and_maxima_kept(tmp_path: Path) -> None:
    """Five 1-minute samples make one bin: the mean of means, the greatest of maxima, running if any says so."""
    frame = load_frame(("web-1",), samples=1440, interval_minutes=1)
    minute = pl.int_range(pl.len()) % 5
    frame = frame.with_columns(
        cpu_percent=minute * 10.0, mem_percent=pl.lit(None), cpu_max=minute + 90.0, running=minute == 4
    )
    estate, notes = _imported(tmp_path, frame)
    assert "Intervals of 1 min were converted to 5-minute bins." in notes
    load = estate.load.read_vm("web-1")
    assert set(load.cpu_percent.ravel().tolist()) == {20.0}
    assert load.cpu_max is not None
    assert set(load.cpu_max.ravel().tolist()) == {94.0}
    assert load.running is not None
    assert set(load.running.ravel().tolist()) == {1}
    assert np.isnan(load.mem_percent).all()


@pytest.mark.parametrize("minutes", [10, 15, 30, 60])
def test_coarser_samples_are_held(tmp_path: Path, minutes: int) -> None:
    """A coarse sample stands for all of its interval, and not for a gap behind it."""
    frame = load_frame(("web-1",), samples=1440 // minutes, interval_minutes=minutes)
    estate, _ = _imported(tmp_path, frame.filter(pl.int_range(pl.len()) != 4))
    expected = np.repeat(frame["cpu_percent"].to_numpy(), minutes // 5)
    expected[4 * minutes // 5 : 5 * minutes // 5] = np.nan
    np.testing.assert_allclose(estate.load.read_vm("web-1").cpu_percent.ravel(), expected, atol=0.005)


def test_hourly_sample_is_held_past_midnight(tmp_path: Path) -> None:
    """A sample of 23:30 stands for the first half hour of the next day as well."""
    begin = BEGIN + timedelta(minutes=30)
    frame = load_frame(("web-1",), begin=begin, samples=47, interval_minutes=60)
    counts, problems = LoadCounts(), Problems("load")
    file = LoadFile(write_load(tmp_path, frame))
    days = list(file.read(file.overview(), ["web-1"], counts, problems, rows_per_pass=1))
    values = np.concatenate([day.cpu_percent[0] for day in days])
    held = np.repeat(frame["cpu_percent"].to_numpy(), 12)
    expected = np.concatenate([np.full(6, np.nan), held, np.full(6, np.nan)])
    np.testing.assert_allclose(values, expected, atol=0.005)


def test_lonely_samples_do_not_spoil_a_regular_history(tmp_path: Path) -> None:
    """A day of which monitoring kept a few samples hours apart counts for these, and is no reason to stop."""
    regular = load_frame(("web-1",), samples=288)
    lonely = load_frame(("web-1",), begin=BEGIN + timedelta(days=20), samples=5, interval_minutes=180)
    estate, notes = _imported(tmp_path, pl.concat([regular, lonely]))
    assert "1 VM has no load: db-1." in notes
    last = estate.load.read_vm("web-1").cpu_percent[1]
    assert np.flatnonzero(~np.isnan(last)).tolist() == [0, 36, 72, 108, 144]


def test_each_vm_has_its_own_interval(tmp_path: Path) -> None:
    """A VM that is measured every quarter of an hour loses nothing beside one measured every 5 minutes."""
    frame = pl.concat([load_frame(("web-1",), samples=288), load_frame(("db-1",), samples=96, interval_minutes=15)])
    estate, notes = _imported(tmp_path, frame)
    assert "Intervals of 15 min were converted to 5-minute bins." in notes
    assert not np.isnan(estate.load.read_vm("db-1").cpu_percent).any()


def test_times_off_the_grid_count_for_their_bin(tmp_path: Path) -> None:
    """A sample of 00:02:30 belongs to the bin of 00:00; that is said."""
    begin = BEGIN + timedelta(minutes=2, seconds=30)
    frame = load_frame(("web-1",), begin=begin, samples=288)
    estate, notes = _imported(tmp_path, frame)
    assert "288 samples lie between grid times; each counts for the bin that it is in." in notes
    assert _bins(estate, "web-1") == pytest.approx(frame["cpu_percent"].to_list(), abs=0.01)


def test_numbers_as_text_and_other_zones_are_accepted(tmp_path: Path) -> None:
    """What can be read without guessing is read."""
    frame = load_frame(samples=288)
    other = frame.with_columns(pl.col("cpu_percent").cast(pl.String), pl.col("ts").dt.convert_time_zone("Asia/Tokyo"))
    estate, _ = _imported(tmp_path, other)
    assert _bins(estate, "db-1") == pytest.approx(frame.filter(vm="db-1")["cpu_percent"].to_list(), abs=0.005)


def test_running_tells_off_from_missing(tmp_path: Path) -> None:
    """Known to be off is 0, known to run is 1, unsaid is -1; without the column nothing is claimed."""
    frame = load_frame(("web-1",), samples=288).with_columns(
        running=pl.when(pl.int_range(pl.len()) < 100).then(False).when(pl.int_range(pl.len()) < 200).then(True)
    )
    estate, _ = _imported(tmp_path, frame)
    running = estate.load.read_vm("web-1").running
    assert running is not None
    assert running.ravel().tolist() == [0] * 100 + [1] * 100 + [-1] * 88


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    interval=st.sampled_from([1, 2, 3, 5, 7, 10, 15, 20, 60]),
    seed=st.integers(0, 1000),
    missing=st.floats(0, 0.4),
    rows_per_pass=st.sampled_from([1, 1000, 10**6]),
)
def test_bins_equal_the_slow_obvious_loop(
    tmp_path: Path, interval: int, seed: int, missing: float, rows_per_pass: int
) -> None:
    """However the rows lie and are read, a bin is the mean of the samples that cover it."""
    rng = np.random.default_rng(seed)
    begin = BEGIN + timedelta(minutes=int(rng.integers(0, 60)))
    frame = load_frame(begin=begin, samples=3 * 1440 // interval, interval_minutes=interval, seed=seed)
    frame = frame.filter(pl.Series(rng.random(frame.height) >= missing)).sample(fraction=1, shuffle=True, seed=seed)
    file = LoadFile(write_load(tmp_path, frame))
    read = file.read(file.overview(), ["db-1", "web-1"], LoadCounts(), Problems(""), rows_per_pass=rows_per_pass)
    for day in read:
        covered: dict[tuple[str, int], list[float]] = {}
        for vm, ts, cpu in frame.select("vm", "ts", "cpu_percent").iter_rows():
            first = int((ts - datetime.combine(day.date, datetime.min.time(), UTC)) // timedelta(minutes=5))
            for place in range(first, first + -(-interval // 5)):
                covered.setdefault((vm, place), []).append(cpu)
        for row, vm in enumerate(day.vm_ids):
            expected = [np.mean(covered.get((vm, place), [np.nan])) for place in range(288)]
            np.testing.assert_allclose(day.cpu_percent[row], expected, atol=0.006)


def test_appending_equals_importing_at_once(tmp_path: Path) -> None:
    """Two months in two steps give the same load and inventory as in one; the first month's files are not touched."""
    frame = load_frame(samples=6 * 288, running=[True, False, None] * 1152)
    half = BEGIN + timedelta(days=3)
    vms, out = write_vms(tmp_path), tmp_path / "parts"
    import_estate(vms, write_load(tmp_path, frame), tmp_path / "whole")
    import_estate(vms, write_load(tmp_path, frame.filter(pl.col("ts") < half)), out)
    before = {name: file for name, file in contents(out).items() if name != "estate.json"}
    import_estate(vms, write_load(tmp_path, frame.filter(pl.col("ts") >= half)), out, append=True)
    after = contents(out)
    assert {name: after[name] for name in before} == before
    whole, parts = open_estate(tmp_path / "whole"), open_estate(out)
    assert parts.as_of == whole.as_of
    assert parts.load.dates() == whole.load.dates()
    for left, right in zip(_days(parts), _days(whole), strict=True):
        _same(left, right)
    assert parts.inventory() == whole.inventory()
    assert parts.fingerprint == whole.fingerprint


def test_appending_within_a_day_merges_on_reading(tmp_path: Path) -> None:
    """A day that was cut in two, with an overlap that says the same, reads as one."""
    frame = load_frame()
    vms, out = write_vms(tmp_path), tmp_path / "parts"
    import_estate(vms, write_load(tmp_path, frame), tmp_path / "whole")
    cut = BEGIN + timedelta(hours=31)
    import_estate(vms, write_load(tmp_path, frame.filter(pl.col("ts") < cut)), out)
    overlapping = frame.filter(pl.col("ts") >= cut - timedelta(hours=31))
    report = import_estate(vms, write_load(tmp_path, overlapping), out, append=True)
    assert "2 VM-days were in the estate already: left out." in report.notes
    whole, parts = open_estate(tmp_path / "whole"), open_estate(out)
    assert [part.path for part in parts.document.load] == [
        "load/date=2026-01-05/part-000.parquet",
        "load/date=2026-01-06/part-000.parquet",
        "load/date=2026-01-06/part-001.parquet",
    ]
    for left, right in zip(_days(parts), _days(whole), strict=True):
        _same(left, right)
    np.testing.assert_array_equal(parts.load.read_vm("db-1").cpu_percent, whole.load.read_vm("db-1").cpu_percent)


def test_appending_what_contradicts_the_estate_is_refused(tmp_path: Path) -> None:
    """Two values for one bin are an error that names VM, time and both; the estate stays."""
    vms, out = write_vms(tmp_path), tmp_path / "estate"
    import_estate(vms, write_load(tmp_path), out)
    before = contents(out)
    changed = load_frame().with_columns(
        cpu_percent=pl.when(pl.col("vm") == "web-1").then(3.0).otherwise("cpu_percent")
    )
    with pytest.raises(DataError, match=r"VM web-1, 5 minutes from 2026-01-05T00:00Z: .* 3 in the file") as caught:
        import_estate(vms, write_load(tmp_path, changed), out, append=True)
    assert "(575 more like this)" in str(caught.value)
    assert contents(out) == before


def test_appending_may_not_go_back(tmp_path: Path) -> None:
    """Load that ends before the estate was taken needs a time of its own."""
    vms, out = write_vms(tmp_path), tmp_path / "estate"
    import_estate(vms, write_load(tmp_path), out)
    before = contents(out)
    earlier = write_load(tmp_path, load_frame(begin=BEGIN - timedelta(days=2)))
    with pytest.raises(DataError, match="go back from 2026-01-06T23:55:00Z to 2026-01-04T23:55:00Z"):
        import_estate(vms, earlier, out, append=True)
    assert contents(out) == before
    import_estate(vms, earlier, out, append=True, as_of=datetime(2026, 1, 7, tzinfo=UTC))
    assert len(open_estate(out).load.dates()) == 4


def test_appending_replaces_the_inventory(tmp_path: Path) -> None:
    """The new list of VMs counts, in the old spelling of names that differ in case only."""
    out = tmp_path / "estate"
    import_estate(write_vms(tmp_path), write_load(tmp_path), out)
    vms = write_vms(tmp_path, DAILY.replace("web-1", "WEB-1").replace("23:00", "01:00"))
    later = load_frame(("Web-1",), begin=BEGIN + timedelta(days=2))
    import_estate(vms, write_load(tmp_path, later), out, append=True)
    inventory = open_estate(out).inventory()
    assert [item.vm_id for item in inventory.items] == ["web-1"]
    assert format_start(inventory.policy(inventory.items[0]).start) == "01:00"
    assert len(open_estate(out).load.read_vm("web-1").dates) == 4


def test_appending_needs_an_imported_estate(tmp_path: Path) -> None:
    """There is nothing to append to in an empty folder, and a demo is not continued by an import."""
    vms, load = write_vms(tmp_path), write_load(tmp_path)
    with pytest.raises(EstateError, match=r"is not an estate folder: it contains no estate\.json"):
        import_estate(vms, load, tmp_path / "nothing", append=True)
    generate_demo(tmp_path / "demo", vms=2, weeks=1)
    with pytest.raises(EstateError, match="holds an estate from 'demo'"):
        import_estate(vms, load, tmp_path / "demo", append=True)


@pytest.mark.skipif(not TRACE.exists(), reason="the shared trace is not beside this checkout")
def test_real_trace_comes_back_as_it_was(tmp_path: Path) -> None:
    """Of the Bitbrains trace every sample is found in its bin, for a VM and for a day."""
    trace = pl.scan_parquet(TRACE).filter(pl.col("ts").dt.date() < date(2013, 7, 8))
    names = trace.select(pl.col("vm").unique().sort()).collect()["vm"].to_list()
    vms = write_vms(tmp_path, *(DAILY.replace("web-1", name) for name in names))
    import_estate(vms, write_load(tmp_path, trace.collect()), tmp_path / "estate")
    load = open_estate(tmp_path / "estate").load
    assert load.dates()[0] == date(2013, 6, 30)
    day = load.read_day(date(2013, 7, 3))
    raw = trace.filter(pl.col("ts").dt.date() == day.date).collect()
    place = {vm: row for row, vm in enumerate(day.vm_ids)}
    rows = np.array([place[vm] for vm in raw["vm"]])
    bins = (raw["ts"].dt.hour().cast(pl.Int64) * 12 + raw["ts"].dt.minute() // 5).to_numpy()
    for metric in ("cpu_percent", "mem_percent"):
        expected = np.full((len(day.vm_ids), 288), np.nan, dtype=np.float32)
        expected[rows, bins] = raw[metric].to_numpy()
        np.testing.assert_allclose(getattr(day, metric), expected, atol=0.006)
