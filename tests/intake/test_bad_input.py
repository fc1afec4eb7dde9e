"""Every bad input ends in a message that says what, where, which value and what to do, and writes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from optimizer.errors import DataError, EstateError
from optimizer.estate.folder import open_estate
from optimizer.intake.estate_import import import_estate
from optimizer.intake.problems import Problems
from tests.intake.inputs import (
    DAILY,
    HEADER,
    WEEKLY,
    contents,
    load_frame,
    write_load,
    write_vms,
)

BAD_LINES = {
    "time off the half hours": ([DAILY.replace("23:00", "23:10")], ["line 2", "web-1", "'23:10'", "HH:00 or HH:30"]),
    "time 24:00": ([DAILY.replace("23:00", "24:00")], ["line 2", "'24:00'", "HH:00 or HH:30"]),
    "time in words": ([WEEKLY, DAILY.replace("23:00", "9pm")], ["line 3", "'9pm'", "HH:00 or HH:30"]),
    "unknown zone": (
        [DAILY.replace("W. Europe Standard Time", "W. Europa Standard Time")],
        ["line 2", "'W. Europa Standard Time'", "did you mean 'W. Europe Standard Time'"],
    ),
    "VM twice": ([DAILY, WEEKLY, DAILY.replace("web-1", "WEB-1")], ["WEB-1", "lines 2 and 4", "keep one line"]),
    "policy with two times": (
        [DAILY, DAILY.replace("web-1", "web-2").replace("23:00", "01:30")],
        ["policy nightly of vault vault-a", "'23:00' in line 2", "'01:30' in line 3"],
    ),
    "policy with two lists of days": (
        [WEEKLY, WEEKLY.replace("db-1", "db-2").replace("Sunday;Wednesday", "Monday")],
        ["policy weekend", "'Wednesday;Sunday' in line 2", "'Monday' in line 3"],
    ),
    "policy with two retentions": (
        [DAILY, DAILY.replace("web-1", "web-2").replace(",30", ",7")],
        ["policy nightly", "retention_days is '30' in line 2 and '7' in line 3"],
    ),
    "policy with two zones": (
        [DAILY, DAILY.replace("web-1", "web-2").replace("W. Europe Standard Time", "UTC")],
        ["policy nightly", "'W. Europe Standard Time' in line 2 and 'UTC' in line 3"],
    ),
    "policy with two frequencies": (
        [DAILY, DAILY.replace("web-1", "web-2").replace("Daily,", "Weekly,Monday")],
        ["policy nightly", "'Daily' in line 2 and 'Weekly' in line 3"],
    ),
    "weekly without days": ([WEEKLY.replace("Sunday;Wednesday", "")], ["line 2", "db-1", "days is empty", "Sunday"]),
    "daily with days": ([DAILY.replace("Daily,", "Daily,Monday")], ["line 2", "'Monday'", "leave it empty"]),
    "unknown weekday": ([WEEKLY.replace("Sunday", "Sonntag")], ["line 2", "'Sonntag'", "Monday, Tuesday"]),
    "unknown frequency": ([DAILY.replace("Daily", "Monthly")], ["line 2", "'Monthly'", "Daily, Weekly or Hourly"]),
    "retention of no days": ([DAILY.replace(",30", ",0")], ["line 2", "retention_days is '0'", "from 7 to 9,999"]),
    "retention too short": ([DAILY.replace(",30", ",6")], ["line 2", "retention_days is '6'", "from 7 to 9,999"]),
    "retention too long": ([DAILY.replace(",30", ",10000")], ["retention_days is '10000'", "from 7 to 9,999"]),
    "retention of 5,000 digits": ([DAILY.replace(",30", "," + 5000 * "9")], ["9'...; allowed", "from 7 to 9,999"]),
    "weekly retention too long": ([WEEKLY.replace("84", "36142")], ["retention_days is '36142'", "from 7 to 36,141"]),
    "retention in words": ([DAILY.replace(",30", ",30d")], ["line 2", "retention_days is '30d'", "from 7 to 9,999"]),
    "no vault": ([DAILY.replace("vault-a", "")], ["line 2", "vault is empty"]),
    "field too many": ([DAILY + ",x"], ["line 2", "10 fields", "9", "double quotes"]),
    "two faults at once": (
        [DAILY.replace("23:00", "23:10"), WEEKLY.replace("84", "-1")],
        ["line 2", "'23:10'", "line 3", "'-1'"],
    ),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_bad_line_is_named_and_nothing_written(tmp_path: Path, case: str) -> None:
    """A fault in ``vms.csv`` is reported with its line, its value and what is allowed."""
    lines, expected = BAD_LINES[case]
    _refused(tmp_path, write_vms(tmp_path, *lines), write_load(tmp_path), expected)


def _refused(folder: Path, vms: Path, load: Path, expected: list[str]) -> None:
    before = contents(folder)
    with pytest.raises(DataError) as caught:
        import_estate(vms, load, folder / "estate")
    for text in expected:
        assert text in str(caught.value)
    assert contents(folder) == before
    assert not (folder / "estate").exists()
    assert {path.name for path in folder.iterdir()} == {Path(name).parts[0] for name in before}


def _set(column: str, value: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Change the fifth sample."""
    return lambda frame: frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 4).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
    )


def _at(*times: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Add a sample of web-1 at each time."""
    return lambda frame: pl.concat(
        [frame, *(frame[-1:].with_columns(ts=pl.lit(time).str.to_datetime(time_zone="UTC")) for time in times)]
    )


BAD_LOADS: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], list[str]]] = {
    "missing columns": (
        lambda frame: frame.rename({"cpu_percent": "cpu"}).drop("mem_percent"),
        ["lacks the columns cpu_percent, mem_percent", "it has vm, ts, cpu"],
    ),
    "no zone": (
        lambda frame: frame.with_columns(pl.col("ts").dt.replace_time_zone(None)),
        ["ts has no time zone", "2026-01-05 00:00:00", "--zone Europe/Berlin"],
    ),
    "dates as text": (
        lambda frame: frame.with_columns(pl.col("ts").cast(pl.String)),
        ["ts is String", "timestamp with a zone"],
    ),
    "CPU of 140": (_set("cpu_percent", 140.0), ["db-1", "2026-01-05T00:20:00Z", "cpu_percent is 140", "0 to 100"]),
    "memory of -3": (_set("mem_percent", -3.0), ["db-1", "2026-01-05T00:20:00Z", "mem_percent is -3", "0 to 100"]),
    "infinite": (_set("cpu_percent", float("inf")), ["db-1", "2026-01-05T00:20:00Z", "cpu_percent is inf"]),
    "text in numbers": (
        lambda frame: _set("cpu_percent", "n/a")(frame.with_columns(pl.col("cpu_percent").cast(pl.String))),
        ["row 5", "db-1", "cpu_percent is 'n/a'", "a number or null"],
    ),
    "no VM": (_set("vm", None), ["row 5", "vm is None"]),
    "last time of all": (
        _at("9999-12-31T23:55:00Z"),
        ["row 1153, VM web-1: ts is 9999-12-31T23:55:00Z; allowed: the years 2000 to 2099"],
    ),
    "first time of all": (_at("0001-01-01T00:00:00Z"), ["row 1153", "ts is 0001-01-01T00:00:00Z; allowed: the years"]),
    "epoch": (_at("1970-01-01T00:00:00Z"), ["row 1153", "ts is 1970-01-01T00:00:00Z; allowed: the years"]),
    "one row of another year": (
        _at("2036-01-01T00:00:00Z"),
        ["row 1153, VM web-1: ts is 2036-01-01", "most rows are from 2026-01-05 to 2026-01-06", "leave the row out"],
    ),
    "rows before and after": (
        _at("2001-01-01T00:00:00Z", "2098-01-01T00:00:00Z"),
        ["row 1153, VM web-1: ts is 2001-01-01", "row 1154, VM web-1: ts is 2098-01-01"],
    ),
    "conflicting duplicates": (
        lambda frame: pl.concat([frame, frame[7:8].with_columns(cpu_percent=pl.lit(12.5))]),
        ["VM db-1 at 2026-01-05T00:35:00Z", "cpu_percent is", "12.5", "keep one"],
    ),
    "interval of two hours": (
        lambda frame: frame.filter(pl.col("ts").dt.hour() % 2 == 0, pl.col("ts").dt.minute() == 0),
        ["120 minutes apart", "from 1 to 60 minutes"],
    ),
    "empty": (lambda frame: frame.clear(), ["is empty"]),
    "no common VM": (
        lambda frame: frame.with_columns(vm=pl.lit("other")),
        ["no VM of", "db-1, web-1", "other", "the same in both"],
    ),
    "running in words": (
        lambda frame: frame.with_columns(running=pl.lit("yes")),
        ["running is String", "true, false"],
    ),
}


@pytest.mark.parametrize("case", BAD_LOADS)
def test_bad_load_is_named_and_nothing_written(tmp_path: Path, case: str) -> None:
    """A fault in the load is reported with VM, time, value and what is allowed."""
    spoil, expected = BAD_LOADS[case]
    _refused(tmp_path, write_vms(tmp_path), write_load(tmp_path, spoil(load_frame())), expected)


def test_faults_of_one_vm_are_summed_up(tmp_path: Path) -> None:
    """A thousand faults of a kind take one line for each VM: its first, and the number of the others."""
    frame = load_frame().with_columns(cpu_percent=pl.lit(106.0) + pl.int_range(pl.len()))
    with pytest.raises(DataError, match="cannot be used") as caught:
        import_estate(write_vms(tmp_path), write_load(tmp_path, frame), tmp_path / "estate")
    said = str(caught.value).splitlines()
    assert [line.split(":")[0].strip() for line in said[2:]] == [
        "VM db-1 at 2026-01-05T00",
        "VM web-1 at 2026-01-05T00",
    ]
    assert all(line.endswith("or use --drop-invalid (575 more like this)") for line in said[2:])


def test_conflicts_of_one_vm_are_summed_up(tmp_path: Path) -> None:
    """The same goes for rows that contradict each other, and for times that cannot be right."""
    frame = load_frame()
    twice = frame.head(40).with_columns(cpu_percent=pl.lit(12.5))
    _refused(tmp_path, write_vms(tmp_path), write_load(tmp_path, pl.concat([frame, twice])), ["(39 more like this)"])
    early = frame.with_columns(pl.col("ts").dt.offset_by("-60y"))
    _refused(tmp_path, write_vms(tmp_path), write_load(tmp_path, early), ["row 1, VM db-1", "(575 more like this)"])


def test_only_the_first_ten_faults_are_listed_and_all_counted() -> None:
    """Faults of many VMs, or about nothing in particular, do not drown the message either."""
    problems = Problems("load.csv")
    for number in range(30):
        problems.add("out of range", f"VM vm-{number % 15}: {number}", about=number % 15)
    for number in range(12):
        problems.add("empty", f"line {number}")
    with pytest.raises(DataError, match="cannot be used") as caught:
        problems.raise_any()
    said = str(caught.value)
    assert said.count("(1 more like this)") == 10
    assert "... and 10 more\n  empty:" in said
    assert said.count("line ") == 10
    assert said.endswith("... and 2 more")


def test_csv_without_a_column_names_it(tmp_path: Path) -> None:
    """The message tells which columns are missing and which are there."""
    vms = write_vms(tmp_path, header=HEADER.replace("retention_days", "retention"))
    _refused(tmp_path, vms, write_load(tmp_path), ["lacks the column retention_days;", "retention; needed"])


@pytest.mark.parametrize(("text", "expected"), [("", "is empty"), (HEADER + "\n\n", "lists no VM")])
def test_empty_csv_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    """A list without VMs is a fault, not an empty estate."""
    vms = tmp_path / "vms.csv"
    vms.write_text(text)
    _refused(tmp_path, vms, write_load(tmp_path), [expected])


def test_csv_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Another encoding is named instead of being guessed."""
    vms = tmp_path / "vms.csv"
    vms.write_bytes((HEADER + "\n" + DAILY.replace("shop", "Käse")).encode("latin-1"))
    _refused(tmp_path, vms, write_load(tmp_path), ["not UTF-8", "CSV UTF-8"])


@pytest.mark.parametrize("share", [0.0, 0.5, 0.97])
def test_truncated_load_is_refused(tmp_path: Path, share: float) -> None:
    """A load file that was cut off is named, with what to do."""
    load = write_load(tmp_path)
    load.write_bytes(load.read_bytes()[: int(load.stat().st_size * share)])
    _refused(tmp_path, write_vms(tmp_path), load, [str(load), "no readable Parquet file", "export it again"])


def test_missing_files_are_named(tmp_path: Path) -> None:
    """Neither input may be absent."""
    vms, load = write_vms(tmp_path), write_load(tmp_path)
    _refused(tmp_path, tmp_path / "no.csv", load, ["no.csv", "No such file"])
    _refused(tmp_path, vms, tmp_path / "no.parquet", ["no.parquet", "no such file"])


def test_as_of_needs_a_zone_and_some_history(tmp_path: Path) -> None:
    """A time of the estate without zone, or before all load, is refused."""
    vms, load, out = write_vms(tmp_path), write_load(tmp_path), tmp_path / "estate"
    with pytest.raises(DataError, match="2026-01-06T00:00:00 without a time zone"):
        import_estate(vms, load, out, as_of=datetime(2026, 1, 6))  # noqa: DTZ001  # what is refused
    with pytest.raises(DataError, match="before the first sample, 2026-01-05T00:00:00Z"):
        import_estate(vms, load, out, as_of=datetime.fromisoformat("2026-01-04T00:00:00Z"))
    assert not out.exists()


def test_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    """An import writes into a new or empty folder only."""
    out = tmp_path / "estate"
    out.mkdir()
    (out / "note.txt").write_text("mine")
    with pytest.raises(EstateError, match=r"estate is not empty; .*--append"):
        import_estate(write_vms(tmp_path), write_load(tmp_path), out)
    assert contents(out) == {"note.txt": b"mine"}


def test_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    """A path that cannot be a folder is named, with what to do."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(EstateError, match=r"cannot write .*Not a directory.*choose another folder"):
        import_estate(write_vms(tmp_path), write_load(tmp_path), tmp_path / "file" / "estate")
    with pytest.raises(EstateError, match="is a file, not a folder"):
        import_estate(write_vms(tmp_path), write_load(tmp_path), tmp_path / "file")


# The import as another user or under a limit, in a process of its own: the limits are real.
_IMPORT = """
import os, resource, sys
from pathlib import Path
from optimizer.errors import EstateError
from optimizer.intake import import_estate
vms, load, out, append, limit, user = sys.argv[1:]
if int(limit):
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
if int(user):
    import_estate(Path(vms), Path(load), Path(vms).parent / "first")  # imports what another user could not read
    os.setegid(int(user)); os.seteuid(int(user))
try:
    import_estate(Path(vms), Path(load), Path(out), append=append == "append")
except EstateError as exc:
    print(exc)
    sys.exit(7)
"""


def _import_limited(vms: Path, load: Path, out: Path, *, append: bool = False, limit: int = 0, user: int = 0) -> str:
    command = [sys.executable, "-c", _IMPORT, vms, load, out, "append" if append else "", str(limit), str(user)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 7, done.stderr
    return done.stdout


def test_folder_without_permission_is_refused() -> None:
    """A folder that may not be written is named, with what to do."""
    with tempfile.TemporaryDirectory() as name:  # unlike pytest's folders, this one can be opened to another user
        folder = Path(name)
        folder.chmod(0o755)
        locked = folder / "locked"
        locked.mkdir()
        locked.chmod(0o555)
        nobody = 65534 if os.geteuid() == 0 else 0  # root may write anywhere
        message = _import_limited(write_vms(folder), write_load(folder), locked / "estate", user=nobody)
        assert f"cannot write {locked / 'estate'}: Permission denied" in message
        assert "choose a folder that you may write to" in message
        assert list(locked.iterdir()) == []


@pytest.mark.parametrize("limit", [5_000, 60_000])
def test_disk_that_takes_no_more_leaves_the_old_estate_whole(tmp_path: Path, limit: int) -> None:
    """Where writing fails half-way, on a part or on a file that is half written, nothing changes."""
    out = tmp_path / "estate"
    import_estate(write_vms(tmp_path), write_load(tmp_path), out)
    before = contents(out)
    names = tuple(f"vm-{number:03d}" for number in range(60))
    vms = write_vms(tmp_path, *(DAILY.replace("web-1", name) for name in names))
    later = load_frame(names, begin=datetime.fromisoformat("2026-01-07T00:00:00Z"), samples=4 * 288)
    message = _import_limited(vms, write_load(tmp_path, later, "more.parquet"), out, append=True, limit=limit)
    assert "File too large" in message
    assert "what was there before is unchanged" in message
    assert contents(out) == before
    assert {path.name for path in out.iterdir()} == {"estate.json", "load"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk takes root")
def test_full_disk_leaves_the_old_estate_whole(tmp_path: Path) -> None:
    """A full disk is named, with what to do, and the estate on it stays as it was."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr}")
    try:
        out = disk / "estate"
        import_estate(write_vms(tmp_path), write_load(tmp_path), out)
        before = contents(out)
        names = tuple(f"vm-{number:03d}" for number in range(60))
        vms = write_vms(tmp_path, *(DAILY.replace("web-1", name) for name in names))
        later = load_frame(names, begin=datetime.fromisoformat("2026-01-07T00:00:00Z"), samples=4 * 288)
        load = write_load(tmp_path, later, "more.parquet")
        with pytest.raises(EstateError, match=r"No space left on device; the disk is full: free some space"):
            import_estate(vms, load, out, append=True)
        assert contents(out) == before
        with pytest.raises(EstateError, match=r"No space left on device; the disk is full"):
            import_estate(vms, load, disk / "second")
        assert {path.name for path in disk.iterdir()} == {"estate"}
        assert open_estate(out).load.read_day(open_estate(out).load.dates()[0]).vm_ids == ("db-1", "web-1")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_json_given_as_a_table_is_recognized(tmp_path: Path) -> None:
    """A message never repeats a whole file; it names the option that takes such a file."""
    file = tmp_path / "all.json"
    file.write_text('{"vaults": [' + ", ".join(f'{{"id": "{number}"}}' for number in range(500)) + "]}")
    load = write_load(tmp_path)
    for vms, given in ((file, load), (write_vms(tmp_path), file)):
        with pytest.raises(DataError, match=r"which looks like JSON: give that with --resources") as caught:
            import_estate(vms, given, tmp_path / "estate")
        assert len(str(caught.value)) < 1500


def test_a_list_in_utf_16_is_named(tmp_path: Path) -> None:
    """A spreadsheet's "Unicode text" is recognized, as it is for the load."""
    vms = tmp_path / "vms.csv"
    vms.write_bytes(f"{HEADER}\n{DAILY}\n".encode("utf-16"))
    _refused(tmp_path, vms, write_load(tmp_path), ["vms.csv is UTF-16 text; save it as 'CSV UTF-8'"])


def test_as_of_outside_the_calendar_is_refused(tmp_path: Path) -> None:
    """A horizon of 30 days must fit behind the time at which the estate is taken."""
    as_of = datetime(9999, 12, 31, tzinfo=UTC)
    with pytest.raises(DataError, match=r"as-of 9999-12-31.* is out of range; allowed: the years 2000 to 2099"):
        import_estate(write_vms(tmp_path), write_load(tmp_path), tmp_path / "estate", as_of=as_of)
