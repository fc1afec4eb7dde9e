"""A CSV of load: whatever a spreadsheet or a monitoring system writes gives the load of the same Parquet file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from optimizer.errors import DataError, UsageError
from optimizer.estate.folder import Estate, open_estate
from optimizer.intake.estate_import import import_estate
from optimizer.intake.import_report import ImportReport
from optimizer.model.clock import VirtualClock
from tests.intake.inputs import load_frame, write_load, write_vms

FRAME = load_frame(samples=288)
HEAD = "vm,ts,cpu_percent,mem_percent"


def import_csv(folder: Path, content: str | bytes, **options: str) -> tuple[Estate, ImportReport]:
    folder.mkdir(exist_ok=True)
    load = folder / "load.csv"
    load.write_bytes(content if isinstance(content, bytes) else content.encode())
    report = import_estate(write_vms(folder), load, folder / "estate", **options)  # type: ignore[arg-type]
    return open_estate(folder / "estate"), report


def as_csv(frame: pl.DataFrame, form: str = "%Y-%m-%dT%H:%M:%SZ", zone: str = "UTC") -> str:
    """The frame with times in a zone and a form."""
    times = pl.col("ts").dt.convert_time_zone(zone).dt.strftime(form)
    return frame.with_columns(times).write_csv()


def german(text: str) -> str:
    """Semicolons and decimal commas."""
    return text.replace(",", ";").replace(".", ",")


FORMS: dict[str, tuple[str | bytes, dict[str, str]]] = {
    "plain": (as_csv(FRAME), {}),
    "byte-order mark and CRLF": (b"\xef\xbb\xbf" + as_csv(FRAME).replace("\n", "\r\n").encode(), {}),
    "semicolons and decimal commas": (german(as_csv(FRAME)), {}),
    "tabs and decimal commas": (german(as_csv(FRAME)).replace(";", "\t"), {}),
    "quotes": ("\n".join('"' + line.replace(",", '","') + '"' for line in as_csv(FRAME).splitlines()), {}),
    "capitals and blanks": (as_csv(FRAME).replace(HEAD, " VM , TS ,CPU_Percent, mem_percent"), {}),
    "blank instead of T": (as_csv(FRAME, "%Y-%m-%d %H:%M:%SZ"), {}),
    "without seconds": (as_csv(FRAME, "%Y-%m-%dT%H:%MZ"), {}),
    "fractions": (as_csv(FRAME, "%Y-%m-%dT%H:%M:%S.0000000Z"), {}),
    "an offset": (as_csv(FRAME, "%Y-%m-%dT%H:%M:%S%:z", "Europe/Berlin"), {}),
    "a short offset": (as_csv(FRAME, "%Y-%m-%d %H:%M%z", "America/New_York"), {}),
    "naive in a zone": (as_csv(FRAME, "%Y-%m-%d %H:%M", "Europe/Berlin"), {"zone": "Europe/Berlin"}),
    "naive in a Windows zone": (as_csv(FRAME, "%Y-%m-%d %H:%M", "Europe/Berlin"), {"zone": "W. Europe Standard Time"}),
    "a zone beside --zone": (as_csv(FRAME), {"zone": "Asia/Tokyo"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_load(tmp_path: Path, form: str) -> None:
    """Separators, decimal signs, marks and times are read without guessing."""
    content, options = FORMS[form]
    estate, report = import_csv(tmp_path, content, **options)
    assert report.samples == FRAME.height
    assert report.notes == ()
    for vm in ("db-1", "web-1"):
        expected = FRAME.filter(vm=vm)["cpu_percent"].to_numpy()
        np.testing.assert_allclose(estate.load.read_vm(vm).cpu_percent.ravel(), expected, atol=0.006)


def test_missing_values_and_states_are_read(tmp_path: Path) -> None:
    """Every usual spelling of nothing is a missing value; states are true or false."""
    rows = ["", "null", "NaN", "-", "n/a"]
    lines = [f"web-1,2026-01-05T0{hour}:00Z,{value},50,{state}" for hour, value, state in zip(
        range(5), rows, ["true", "1", "False", "0", ""], strict=True)]  # fmt: skip
    regular = [f"web-1,2026-01-05T06:{minute:02}Z,30,50,yes" for minute in range(0, 60, 5)]
    estate, _ = import_csv(tmp_path, "\n".join([HEAD + ",running", *lines, *regular]))
    load = estate.load.read_vm("web-1")
    assert load.running is not None
    assert np.isnan(load.cpu_percent.ravel()[:60]).all()
    assert load.running.ravel()[[0, 12, 24, 36, 48]].tolist() == [1, 1, 0, 0, -1]


def test_hours_that_a_clock_change_repeats_are_left_out(tmp_path: Path) -> None:
    """Local times of the repeated hour say nothing; that is counted, and the rest is kept."""
    frame = load_frame(("web-1",), begin=datetime(2025, 10, 25, 22, tzinfo=UTC), samples=72)
    estate, report = import_csv(tmp_path, as_csv(frame, "%Y-%m-%d %H:%M", "Europe/Berlin"), zone="Europe/Berlin")
    assert any(note.startswith("Rows at a local time that Europe/Berlin skips or repeats") for note in report.notes)
    assert any(": 24; they were left out" in note for note in report.notes)
    assert report.samples == 48
    assert estate.as_of == frame["ts"].max()


def test_parquet_without_a_zone_takes_the_given_one(tmp_path: Path) -> None:
    """``--zone`` is for naive times in Parquet as well."""
    frame = FRAME.with_columns(pl.col("ts").dt.convert_time_zone("Asia/Tokyo").dt.replace_time_zone(None))
    import_estate(write_vms(tmp_path), write_load(tmp_path, frame), tmp_path / "estate", zone="Asia/Tokyo")
    assert open_estate(tmp_path / "estate").as_of == FRAME["ts"].max()


def line(vm: str = "web-1", ts: str = "2026-01-05T00:00Z", cpu: str = "5", mem: str = "5") -> str:
    return f"{HEAD}\n{vm},{ts},{cpu},{mem}\n"


BAD: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty; its first line must name the columns"),
    "no columns": ("a,b\n1,2\n", "lacks the columns vm, ts, cpu_percent, mem_percent; it has a, b"),
    "header alone": (HEAD + "\n", "is empty but for its header; export the load"),
    "column twice": (HEAD + ",vm\n", "has the columns 'vm' more than once"),
    "no zone": (line(ts="2026-01-05T00:00"), "line 2, VM web-1: ts is '2026-01-05T00:00'; add Z or an offset"),
    "not ISO": (line(ts="05.01.2026 00:00"), "line 2, VM web-1: ts is '05.01.2026 00:00'; allowed: ISO 8601"),
    "no such day": (line(ts="2026-02-30T00:00Z"), "line 2, VM web-1: ts is '2026-02-30T00:00Z'; allowed: ISO 8601"),
    "no such offset": (line(ts="2026-01-05T00:00+15:00"), r"ts is '2026-01-05T00:00\+15:00'; allowed: ISO 8601"),
    "no time": (line(ts=""), "line 2, VM web-1: ts is ''; allowed: ISO 8601"),
    "no VM": (line(vm=" "), r"lines without VM:\s+line 2, VM"),
    "text": (line(cpu="high"), "line 2, VM web-1: cpu_percent is 'high'; allowed: a number from 0 to 100"),
    "decimal comma": (line(cpu='"5,5"'), "line 2, VM web-1: cpu_percent is '5,5'; allowed: a number"),
    "too many fields": (line(mem="5,7"), "line 2: 5 fields, but the header has 4; put a field that contains ','"),
    "too few fields": (f"{line()}web-1,2026-01-05T00:05Z\n", r"lines with too few fields:\s+line 3: 2 fields, but"),
    "one field": (f"{line()}\nweb-1\n", "line 4: 1 field, but the header has 4"),
    "quote not closed": (line(vm='"web-1'), "line 2 has a stray double quote; put the whole field between"),
    "quote within": (line(vm='we"b-1'), "line 2 has a stray double quote"),
    "text behind a quote": (line(vm='"we"b-1'), "line 2 has a stray double quote"),
    "far future": (f"{line()}\n" + line(ts="9999-12-31T23:55Z").split("\n")[1], "line 4, VM web-1: ts is 9999-12-31"),
    "before the calendar": (line(ts="0001-01-01T00:00+14:00"), "allowed: the years 2000 to 2099"),
    "state": (f"{HEAD},running\nweb-1,2026-01-05T00:00Z,5,5,on\n", "running is 'on'; allowed: true, false or nothing"),
    "UTF-16": (HEAD.encode("utf-16"), "is UTF-16 text; save it as 'CSV UTF-8'"),
    "Latin-1": (HEAD.encode() + b",gr\xfc\xdfe\n", "is neither Parquet nor UTF-8 text"),
    "Latin-1 below": (line(vm="gr\u00fc\u00dfe").encode("latin-1"), "line 2 is not UTF-8 text; save the file as"),
}


@pytest.mark.parametrize("name", BAD)
def test_lines_that_cannot_be_used_are_named(tmp_path: Path, name: str) -> None:
    """The message names file, line, VM and value, and nothing is written."""
    content, said = BAD[name]
    with pytest.raises(DataError, match=said) as caught:
        import_csv(tmp_path, content)
    assert "load.csv" in str(caught.value)
    assert not (tmp_path / "estate").exists()


def test_unknown_zones_are_refused(tmp_path: Path) -> None:
    """A slip in ``--zone`` is named before anything is read."""
    with pytest.raises(UsageError, match="--zone: 'Europe/Berln' is not a time zone"):
        import_csv(tmp_path, as_csv(FRAME), zone="Europe/Berln")


def test_only_the_first_faults_are_listed_and_all_counted(tmp_path: Path) -> None:
    """Of many bad lines ten are shown, with the number of the rest; one where most lines have the same fault."""
    lines = [f"web-1,2026-01-05T00:{minute:02}Z,high,5" for minute in range(30)]
    good = [f"db-1,2026-01-05T00:{minute:02}Z,5,5" for minute in range(40)]
    with pytest.raises(DataError, match=r"line 11, VM web-1: .*\n\s+... and 20 more"):
        import_csv(tmp_path, "\n".join([HEAD, *lines, *good]))
    with pytest.raises(DataError, match=r"read:\n\s+line 2, VM web-1: .*\n\s+... and 29 more"):
        import_csv(tmp_path, "\n".join([HEAD, *lines]))


def test_blank_lines_do_no_harm(tmp_path: Path) -> None:
    """Lines without any value, in between and at the end, are passed over."""
    first, *rest = as_csv(FRAME).splitlines()
    estate, report = import_csv(tmp_path, "\n".join([first, rest[0], "", " , ,,", *rest[1:], "", "", ""]))
    assert (report.samples, report.notes) == (FRAME.height, ())
    assert estate.load.read_vm("web-1").cpu_percent.shape == (1, 288)


def test_quoted_fields_may_hold_separators(tmp_path: Path) -> None:
    """A line is as long as its fields, whatever stands between quotes."""
    content = as_csv(FRAME.with_columns(resource_group=pl.lit('a,"b"')))
    assert import_csv(tmp_path, content)[1].samples == FRAME.height


def test_a_column_without_any_number_is_reported(tmp_path: Path) -> None:
    """The value that stands there is shown, and nobody is advised to multiply it."""
    frame = FRAME.with_columns(cpu_percent=pl.lit("n/a"))
    _, report = import_csv(tmp_path, as_csv(frame))
    assert report.notes == (
        "The column cpu_percent has no number: its first value is 'n/a', which counts as missing.",
        "No VM of the inventory has a CPU value in the load, so nothing is known about when the VMs are busy.",
    )


@pytest.mark.parametrize(("ahead", "told"), [(timedelta(hours=23), False), (timedelta(days=2), True)])
def test_load_of_the_future_is_reported(tmp_path: Path, ahead: timedelta, told: bool) -> None:
    """An estate is not taken at a time to come without a word; an explicit time needs none."""
    last = max(FRAME["ts"])
    clock = VirtualClock(last - ahead)
    vms, load = write_vms(tmp_path), write_load(tmp_path, FRAME)
    report = import_estate(vms, load, tmp_path / "estate", clock=clock)
    assert any(f"The load ends at {last:%Y-%m-%dT%H:%M:%SZ}, after the time" in note for note in report.notes) == told
    assert import_estate(vms, load, tmp_path / "other", clock=clock, as_of=last).notes == ()


def test_unused_columns_are_named(tmp_path: Path) -> None:
    """What the optimizer does not use of the load is said, in CSV and in Parquet."""
    frame = FRAME.with_columns(host=pl.lit("a"), disk=pl.lit(1.0))
    for folder, load in ((tmp_path / "a", None), (tmp_path / "b", "load.parquet")):
        folder.mkdir()
        file = write_load(folder, frame) if load else folder / "load.csv"
        if not load:
            file.write_text(as_csv(frame), encoding="utf-8")
        report = import_estate(write_vms(folder), file, folder / "estate")
        assert report.notes == ("Columns of the load that are not used: host, disk.",)


@pytest.mark.parametrize(("minutes", "warned"), [(15, False), (30, True), (60, True)])
def test_coarse_samples_hide_peaks(tmp_path: Path, minutes: int, warned: bool) -> None:
    """Means over half an hour or more are pointed out with what they do to the numbers."""
    frame = load_frame(samples=2 * 1440 // minutes, interval_minutes=minutes)
    _, report = import_csv(tmp_path, as_csv(frame))
    assert any("means over such a long time hide short peaks" in note for note in report.notes) == warned


def test_load_may_name_groups(tmp_path: Path) -> None:
    """With a column ``resource_group`` in both files VMs of one name are told apart."""
    vms = write_vms(
        tmp_path,
        "web-1,shop,vault-a,nightly,Daily,,23:00,UTC,30,rg-a",
        "web-1,shop,vault-a,nightly,Daily,,23:00,UTC,30,rg-b",
        header="vm,service,vault,policy,frequency,days,time,timezone,retention_days,resource_group",
    )
    frame = pl.concat(
        [
            load_frame(("web-1",), samples=288).with_columns(cpu_percent=pl.lit(10.0), resource_group=pl.lit("RG-A")),
            load_frame(("web-1",), samples=288).with_columns(cpu_percent=pl.lit(70.0), resource_group=pl.lit("rg-b")),
        ]
    )
    load = tmp_path / "load.csv"
    load.write_text(as_csv(frame), encoding="utf-8")
    report = import_estate(vms, load, tmp_path / "estate")
    estate = open_estate(tmp_path / "estate")
    assert report.vms_without_load == report.load_without_vm == ()
    inventory = estate.inventory()
    means = {
        vm.resource_group: float(np.nanmean(estate.load.read_vm(vm.id).cpu_percent)) for vm in inventory.vms.values()
    }
    assert means == pytest.approx({"rg-a": 10.0, "rg-b": 70.0})
    assert {vm.name for vm in inventory.vms.values()} == {"web-1"}


def test_groups_in_the_load_alone_do_no_harm(tmp_path: Path) -> None:
    """A list without groups is matched by name, as before."""
    frame = FRAME.with_columns(resource_group=pl.lit("rg-a"))
    report = import_estate(write_vms(tmp_path), write_load(tmp_path, frame), tmp_path / "estate")
    assert report.vms_without_load == report.load_without_vm == ()
