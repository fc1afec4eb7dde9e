"""Every kind of bad input, through the command line: what is said, the exit code, and that nothing is written."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from optimizer.documents.plan_file import read_plan
from tests.cli.command_line import Answer, run, run_process
from tests.intake.inputs import (
    BEGIN,
    DAILY,
    HEADER,
    WEEKLY,
    load_frame,
    write_load,
    write_vms,
)

Frame = pl.DataFrame


@dataclass(frozen=True)
class Bad:
    """One bad input.

    Parameters
    ----------
    spoil
        Changes one file of a good set in a folder, and says which command is run.
    expected
        What the message must hold: what, where, which value, what is allowed, what to do.
    code
        The exit code.
    """

    spoil: Callable[[Path], list[object]]
    expected: tuple[str, ...]
    code: int = 1


def everything(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder, to see that nothing was written."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return good files, their estate and its plan."""
    folder = tmp_path_factory.mktemp("good")
    write_vms(folder)
    write_load(folder, calm())
    assert run(*an_import(folder, "estate")).code == 0
    assert run("plan", folder / "estate", "--out", folder / "plan.json", "--effort", 1).code == 0
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """Return a copy of the good files that a test may spoil."""
    shutil.copytree(good, tmp_path / "files")
    return tmp_path / "files"


def calm() -> Frame:
    """Twenty days, until BEGIN, of load that puts nobody at risk: enough to know."""
    frame = load_frame(begin=BEGIN - timedelta(days=20), samples=48 * 20, interval_minutes=30)
    return frame.with_columns(pl.col("cpu_percent", "mem_percent") / 2)


def an_import(folder: Path, out: str = "new") -> list[object]:
    return ["import", "--vms", folder / "vms.csv", "--load", folder / "load.parquet", "--out", folder / out]


def vms(*lines: str, header: str = HEADER) -> Callable[[Path], list[object]]:
    """``vms.csv`` of these lines is imported."""

    def spoil(folder: Path) -> list[object]:
        write_vms(folder, *lines, header=header)
        return an_import(folder)

    return spoil


def load(change: Callable[[Frame], Frame]) -> Callable[[Path], list[object]]:
    """A changed ``load.parquet`` is imported."""

    def spoil(folder: Path) -> list[object]:
        write_load(folder, change(load_frame()))
        return an_import(folder)

    return spoil


def fifth(column: str, value: object) -> Callable[[Frame], Frame]:
    """Put a value into the fifth row, which is db-1 at 00:20."""
    return lambda frame: frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 4).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
    )


def cut(name: str, share: float = 0.5) -> Callable[[Path], None]:
    """Cut a file off."""

    def spoil(folder: Path) -> None:
        (file,) = sorted(folder.glob(name))[:1]
        file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])

    return spoil


def then(spoil: Callable[[Path], None], *args: object) -> Callable[[Path], list[object]]:
    """Run a command after spoiling; a ``Path`` in its arguments is of the folder."""

    def both(folder: Path) -> list[object]:
        spoil(folder)
        return [folder / arg if isinstance(arg, Path) else arg for arg in args]

    return both


PLAN = ("plan", Path("estate"), "--out", Path("other.json"), "--effort", 1)


def rules(*text: str, args: Sequence[object] = PLAN) -> Callable[[Path], list[object]]:
    """Run a command, if nothing else is said ``plan``, under these rules."""
    return then(lambda f: _write(f / "rules.toml", "\n".join(text)), *args, "--rules", Path("rules.toml"))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def newer(name: str) -> Callable[[Path], None]:
    """Make a JSON file one of a later version."""

    def spoil(folder: Path) -> None:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        _write(folder / name, json.dumps(content | {"schema_version": 3, "later": True}))

    return spoil


def edited(name: str, before: str, after: str) -> Callable[[Path], None]:
    """Change the first place of a text in a file."""
    return lambda f: _write(f / name, (f / name).read_text(encoding="utf-8").replace(before, after, 1))


def nothing(folder: Path) -> None:
    """Spoil nothing."""
    assert folder.is_dir()


def more_load(folder: Path) -> None:
    """Append a day to the estate behind a plan's back."""
    write_load(folder)
    assert run(*an_import(folder, "estate"), "--append").code == 0


def rule(name: str, *lines: str) -> str:
    return "\n".join(["[[rule]]", f'name = "{name}"', *lines, ""])


def window(begin: str, end: str) -> str:
    return f'[{{ from = "{begin}", to = "{end}", zone = "UTC" }}]'


BAD = {
    # the list of VMs
    "missing column in vms.csv": Bad(
        vms(header=HEADER.replace("retention_days", "retention")),
        ("vms.csv lacks the column retention_days", "it has vm, service", "needed are vm, service, vault"),
    ),
    "unknown zone": Bad(
        vms(DAILY.replace("W. Europe Standard Time", "W. Europa Standard Time")),
        ("vms.csv", "line 2, VM web-1", "'W. Europa Standard Time'", "allowed: Windows names", "did you mean 'W. Eur"),
    ),
    "time off the half hour": Bad(
        vms(DAILY.replace("23:00", "23:10")), ("line 2, VM web-1: time: '23:10'", "allowed: HH:00 or HH:30")
    ),
    "time at the end of the day": Bad(
        vms(DAILY.replace("23:00", "24:00")), ("line 2, VM web-1: time: '24:00'", "allowed: HH:00 or HH:30")
    ),
    "time in words": Bad(
        vms(WEEKLY, DAILY.replace("23:00", "9pm")), ("line 3, VM web-1: time: '9pm'", "allowed: HH:00 or HH:30")
    ),
    "VM twice": Bad(vms(DAILY, WEEKLY, DAILY.replace("web-1", "WEB-1")), ("VM WEB-1: lines 2 and 4", "keep one line")),
    "policy with two times": Bad(
        vms(DAILY, DAILY.replace("web-1", "web-2").replace("23:00", "01:30")),
        ("policy nightly of vault vault-a", "'23:00' in line 2", "'01:30' in line 3", "correct one or give"),
    ),
    "policy with two lists of days": Bad(
        vms(WEEKLY, WEEKLY.replace("db-1", "db-2").replace("Sunday;Wednesday", "Monday")),
        ("policy weekend of vault vault-a", "'Wednesday;Sunday' in line 2", "'Monday' in line 3", "correct one"),
    ),
    "policy with two retentions": Bad(
        vms(DAILY, DAILY.replace("web-1", "web-2").replace(",30", ",7")),
        ("policy nightly of vault vault-a", "retention_days is '30' in line 2", "'7' in line 3", "correct one"),
    ),
    "weekly without days": Bad(
        vms(WEEKLY.replace("Sunday;Wednesday", "")), ("line 2, VM db-1: days is empty", "such as Sunday;Wednesday")
    ),
    "text in a retention": Bad(
        vms(DAILY.replace(",30", ",thirty")), ("line 2, VM web-1: retention_days is 'thirty'", "allowed: a whole")
    ),
    "no VMs": Bad(then(lambda f: _write(f / "vms.csv", HEADER + "\n"), *an_import(Path())), ("vms.csv lists no VM",)),
    # the load
    "missing column in load.parquet": Bad(
        load(lambda frame: frame.drop("mem_percent")),
        ("load.parquet lacks the column mem_percent", "it has vm, ts, cpu_percent", "needed are vm, ts"),
    ),
    "timestamps without zone": Bad(
        load(lambda frame: frame.with_columns(pl.col("ts").dt.replace_time_zone(None))),
        ("load.parquet: ts has no time zone", "first value 2026-01-05 00:00:00", "--zone Europe/Berlin"),
    ),
    "conflicting duplicates": Bad(
        load(lambda frame: pl.concat([frame, frame[7:8].with_columns(cpu_percent=pl.lit(12.5))])),
        ("VM db-1 at 2026-01-05T00:35:00Z", "cpu_percent is", "12.5", "keep one of the rows"),
    ),
    "interval of two hours": Bad(
        load(lambda frame: frame.filter(pl.col("ts").dt.hour() % 2 == 0, pl.col("ts").dt.minute() == 0)),
        ("load.parquet", "120 minutes apart", "allowed: a regular interval from 1 to 60", "export finer data"),
    ),
    "CPU of 140": Bad(
        load(fifth("cpu_percent", 140.0)),
        ("VM db-1 at 2026-01-05T00:20:00Z: cpu_percent is 140", "allowed: 0 to 100", "--drop-invalid"),
    ),
    "CPU of -3": Bad(
        load(fifth("cpu_percent", -3.0)),
        ("VM db-1 at 2026-01-05T00:20:00Z: cpu_percent is -3", "allowed: 0 to 100", "--drop-invalid"),
    ),
    "memory of 140": Bad(load(fifth("mem_percent", 140.0)), ("db-1 at 2026-01-05T00:20:00Z: mem_percent is 140",)),
    "text in numbers": Bad(
        load(lambda f: fifth("cpu_percent", "n/a")(f.with_columns(pl.col("cpu_percent").cast(pl.String)))),
        ("row 5, VM db-1: cpu_percent is 'n/a'", "allowed: a number or null"),
    ),
    "truncated Parquet": Bad(
        then(cut("load.parquet"), *an_import(Path())), ("load.parquet is no readable Parquet", "export it again")
    ),
    "empty load": Bad(load(lambda frame: frame.clear()), ("load.parquet is empty", "export the load")),
    "empty file": Bad(then(cut("load.parquet", 0), *an_import(Path())), ("load.parquet is no readable Parquet",)),
    "load of other VMs": Bad(
        load(lambda frame: frame.with_columns(vm=pl.lit("other"))),
        ("no VM of", "(db-1, web-1)", "load.parquet (other)", "must be the same in both"),
    ),
    # the estate
    "estate of a newer version": Bad(
        then(newer("estate/estate.json"), *PLAN),
        ("estate.json has schema version 3", "reads versions up to 1", "upgrade the program"),
    ),
    "estate of a newer version, audited": Bad(
        then(newer("estate/estate.json"), "audit", Path("estate")), ("estate.json has schema version 3",)
    ),
    "appending to an estate of a newer version": Bad(
        then(newer("estate/estate.json"), *an_import(Path(), "estate"), "--append"),
        ("has schema version 3", "upgrade"),
    ),
    "no estate": Bad(
        then(nothing, "plan", Path("elsewhere")), ("elsewhere is not an estate folder", "it contains no estate.json")
    ),
    "truncated estate.json": Bad(
        then(cut("estate/estate.json"), *PLAN), ("estate.json is not valid JSON", "import or pull the estate again")
    ),
    "truncated Parquet in the estate": Bad(
        then(cut("estate/load/*/part-000.parquet"), *PLAN),
        ("part-000.parquet is damaged: it has", "bytes instead of", "restore it, or import"),
    ),
    "estate that is there already": Bad(
        then(nothing, *an_import(Path(), "estate")), ("estate is not empty", "choose a new folder, or pass --append")
    ),
    "history that is not there": Bad(
        then(nothing, *PLAN, "--history", Path("old.journal.jsonl")),
        ("old.journal.jsonl: there is no such file", "give the journal of an 'apply'", "folder with journals"),
    ),
    "history without a journal": Bad(
        then(nothing, *PLAN, "--history", Path("estate")),
        ("estate: holds no journal", "folder in which 'apply' was run"),
    ),
    "history that is neither journal nor plan": Bad(
        then(nothing, *PLAN, "--history", Path("vms.csv")), ("vms.csv: not a plan", "plan.json that")
    ),
    "history that is an edited plan": Bad(
        then(edited("plan.json", "23:00", "22:00"), *PLAN, "--history", Path("plan.json")),
        ("plan.json: the plan was edited", "make the plan again"),
    ),
    "fewer moves than the rules need": Bad(
        rules(rule("mornings", "allow = " + window("05:00", "12:00")), args=(*PLAN, "--max-moves", 0)),
        ("no schedule satisfies the rules", "'mornings' and 'max_moves' cannot all hold"),
        3,
    ),
    # the rules
    "rules with an unknown key": Bad(
        rules("max_move = 3"), ("rules.toml: max_move = 3", "unknown key 'max_move'", "did you mean max_moves?")
    ),
    "rules with an unknown key, audited": Bad(
        rules("max_move = 3", args=("audit", Path("estate"))), ("rules.toml: max_move = 3", "did you mean max_moves?")
    ),
    "rules with an unknown selector": Bad(
        rules(rule("nights", "pin = true", 'where = { zzz = "x" }')),
        (
            'rule "nights" > where > zzz = "x"',
            "unknown key 'zzz'",
            "allowed: tag, name, service, vault",
            "rename or remove it",
        ),
    ),
    "a window of no length": Bad(
        rules(rule("nights", "allow = " + window("20:00", "20:00"))),
        ('rule "nights" > allow[0]', "20:00", "00:00 to 24:00"),
    ),
    "rules that are no TOML": Bad(rules("[[rule\n"), ("rules.toml: is not TOML", "line 1", "correct that line")),
    "rules that are not there": Bad(
        then(nothing, *PLAN, "--rules", Path("none.toml")),
        ("none.toml: this rules file does not exist", "omit --rules"),
    ),
    "rules with an unknown zone": Bad(
        rules(rule("nights", 'allow = [{ from = "20:00", to = "06:00", zone = "Europe/Berlyn" }]')),
        ('rule "nights" > allow[0] > zone', "'Europe/Berlyn'", "did you mean 'Europe/Berlin'"),
    ),
    # the plan
    "a plan that is no plan": Bad(
        then(lambda f: _write(f / "plan.json", '{"vms": 3}'), "report", Path("plan.json")),
        (
            "plan.json: not a plan",
            "created_at is missing",
            "give the plan.json that 'backup-optimizer plan' wrote",
        ),
    ),
    "a plan that is no JSON": Bad(
        then(lambda f: _write(f / "plan.json", "vm,start\n"), "explain", Path("plan.json"), "web-1"),
        ("plan.json: not a plan", "not valid JSON", "give the plan.json"),
    ),
    "a truncated plan": Bad(
        then(cut("plan.json", 0.9), "report", Path("plan.json")), ("plan.json: not a plan: it is not valid JSON",)
    ),
    "a plan of a newer version": Bad(
        then(newer("plan.json"), "report", Path("plan.json")),
        ("schema version 3, this program reads versions up to 2",),
    ),
    "no plan": Bad(then(nothing, "report", Path("none.json")), ("none.json: the plan cannot be read", "No such file")),
    "a plan whose estate has changed": Bad(
        then(more_load, "explain", Path("plan.json"), "web-1"),
        (
            "plan.json: the plan is stale",
            "policies or load history differ",
            "make the plan again",
        ),
        4,
    ),
    "a report of a plan whose estate has changed": Bad(
        then(more_load, "report", Path("plan.json"), "--html", Path("page.html")), ("plan.json: the plan is stale",), 4
    ),
    "a plan whose estate is gone": Bad(
        then(lambda f: shutil.rmtree(f / "estate"), "report", Path("plan.json")),
        ("plan.json: the plan says that its estate is estate", "give its folder with --estate"),
    ),
    "a VM that the plan does not have": Bad(
        then(nothing, "explain", Path("plan.json"), "web-2"),
        ("no VM has the name or ARM id 'web-2'", "did you mean 'web-1'"),
    ),
    # where nothing can be written
    "an estate below a file": Bad(
        then(nothing, *an_import(Path(), "vms.csv/estate")),
        ("cannot write", "Not a directory", "choose another folder"),
    ),
    "a plan into no folder": Bad(
        then(nothing, "plan", Path("estate"), "--out", Path("none/plan.json")),
        ("none/plan.json: the folder", "does not exist", "make it, or write elsewhere with --out"),
    ),
    "a page into no folder": Bad(
        then(nothing, "report", Path("plan.json"), "--html", Path("none/page.html")),
        ("none/page.html: the folder", "does not exist", "make it, or write elsewhere with --html"),
    ),
    "a demo below a file": Bad(then(nothing, "demo", Path("vms.csv/demo"), "--vms", 3, "-q"), ("Not a directory",)),
    # rules in conflict
    "allow against another allow": Bad(
        rules(
            rule("mornings", "allow = " + window("04:00", "09:00"), 'where = { name = "db-*" }'),
            rule("evenings", "allow = " + window("17:00", "02:00")),
        ),
        (
            "no schedule satisfies the rules",
            "'mornings' and 'evenings' cannot all hold for 1 VM: db-1",
            "drop 'mornings'",
            "exempt 1 VM (db-1) from 'evenings'",
        ),
        3,
    ),
    "allow against forbid": Bad(
        rules(
            rule("nights", "allow = " + window("20:00", "04:00")),
            rule("no backups", "forbid = " + window("19:00", "05:00")),
        ),
        ("no schedule satisfies the rules", "'nights' and 'no backups' cannot all hold", "2 VMs: db-1, web-1"),
        3,
    ),
    "a window too short for any backup": Bad(
        rules(rule("one hour", "allow = " + window("20:00", "21:00"))),
        ('rule "one hour" > allow: the window from 20:00 to 21:00 lasts 1 h', "needs 2 h 15 min", "make one longer"),
    ),
    "a window between two half hours": Bad(
        rules(rule("odd", "allow = " + window("20:10", "22:30"))),
        ("'odd' cannot hold for 2 VMs: db-1, web-1", "drop 'odd'"),
        3,
    ),
    "a cap too small for its window": Bad(
        rules(rule("one at a time", "max_concurrent = 1"), rule("early night", "allow = " + window("21:00", "01:30"))),
        (
            "'one at a time' and 'early night' cannot all hold for 2 VMs: db-1, web-1",
            "max_concurrent of 'one at a time' from 1 to 2",
        ),
        3,
    ),
    "fewer moves than a rule needs": Bad(
        rules("max_moves = 0", rule("mornings", "allow = " + window("05:00", "12:00"))),
        ("'mornings' and 'max_moves' cannot all hold for 2 VMs: db-1, web-1", "max_moves from 0 to 2"),
        3,
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_said_and_nothing_is_written(folder: Path, case: str) -> None:
    """The exit code is right, the message says what is wrong, where and what to do, and no file changes."""
    bad = BAD[case]
    args = [folder / arg if isinstance(arg, Path) else arg for arg in bad.spoil(folder)]
    before = everything(folder)
    answer = run(*args)
    assert answer.code == bad.code, answer
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert "Traceback" not in answer.err
    for text in bad.expected:
        assert text in answer.err
    assert everything(folder) == before


APPENDED = ["CPU of 140", "conflicting duplicates", "time off the half hour", "empty load", "truncated Parquet"]


@pytest.mark.parametrize("case", APPENDED)
def test_bad_input_leaves_the_estate_that_it_was_for_whole(folder: Path, case: str) -> None:
    """Appended, the same inputs are refused the same way, and the old estate is as it was."""
    bad = BAD[case]
    bad.spoil(folder)
    before = everything(folder)
    answer = run(*an_import(folder, "estate"), "--append")
    assert answer.code == bad.code
    for text in bad.expected:
        assert text in answer.err
    assert everything(folder) == before


def test_several_faults_are_said_at_once(folder: Path) -> None:
    """Who has three mistakes in a file hears of all three."""
    write_vms(folder, DAILY.replace("23:00", "23:10"), WEEKLY.replace("84", "-1").replace("UTC", "Mars/Olympus"))
    answer = run(*an_import(folder))
    assert answer.code == 1
    for text in ("'23:10'", "'-1'", "'Mars/Olympus'"):
        assert text in answer.err
    _write(folder / "rules.toml", "max_move = 3\n[prices]\nmove = -1\n")
    answer = run("plan", folder / "estate", "--rules", folder / "rules.toml", "--out", folder / "other.json")
    assert all(text in answer.err for text in ("max_move = 3", "prices > move = -1"))


@dataclass(frozen=True)
class Harmless:
    """An input that is odd and does no harm: how it is made, and what is said of it."""

    spoil: Callable[[Path], list[object]]
    said: tuple[str, ...]


def with_bytes(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], list[object]]:
    def spoil(folder: Path) -> list[object]:
        (folder / name).write_bytes(change((folder / name).read_bytes()))
        return an_import(folder)

    return spoil


HARMLESS = {
    "byte-order mark": Harmless(
        with_bytes("vms.csv", lambda content: b"\xef\xbb\xbf" + content), ("byte-order mark",)
    ),
    "lines of Windows": Harmless(with_bytes("vms.csv", lambda content: content.replace(b"\n", b"\r\n")), ("2 VMs",)),
    "unsorted": Harmless(load(lambda frame: frame.reverse()), ("not in order of time; it was sorted",)),
    "exact duplicates": Harmless(
        load(lambda frame: pl.concat([frame, frame[7:10]])), ("3 exact duplicates in the load: dropped",)
    ),
    "fractions": Harmless(
        load(lambda frame: frame.with_columns(pl.col("cpu_percent") / 200)), ("if the load is in fractions",)
    ),
    "gaps": Harmless(
        load(lambda frame: frame.filter(pl.col("ts").dt.hour() != 7)),
        ("1,104 samples", "of the 5-minute bins have no CPU value"),
    ),
    "a value just above 100": Harmless(load(fifth("cpu_percent", 104.0)), ("1 value above 100: clipped",)),
    "a VM without load": Harmless(vms(DAILY, WEEKLY, DAILY.replace("web-1", "web-2")), ("1 VM has no load: web-2",)),
    "load without a VM": Harmless(
        vms(DAILY), ("1 VM of the load is not in the inventory: db-1", "960 samples were left out")
    ),
    "a VM without service": Harmless(
        vms(DAILY, WEEKLY.replace("shop", "")), ("1 VM names no service; each is a service of its own",)
    ),
    "another interval": Harmless(
        load(lambda frame: frame.filter(pl.col("ts").dt.minute() % 30 == 0)),
        ("every 30 minutes", "Intervals of 30 min", "hide short peaks"),
    ),
    "further columns": Harmless(vms(DAILY + ",x", header=HEADER + ",comment"), ("1 VM in 1 vault",)),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_harmless_is_accepted_and_said(folder: Path, case: str) -> None:
    """The import succeeds, says what it met, in text and in JSON, and the estate can be planned."""
    harmless = HARMLESS[case]
    args = harmless.spoil(folder)
    answer = run(*args)
    assert (answer.code, answer.err) == (0, "")
    text = re.sub(r"\s+", " ", answer.out)
    for said in harmless.said:
        assert said in text
    assert run("plan", folder / "new", "--out", folder / "new.json", "--effort", 1).code == 0
    told = json.loads(run(*args[:-1], folder / "again", "--format", "json").out)
    assert all(note in text for note in told["notes"])


def test_rules_with_a_byte_order_mark_are_read(folder: Path) -> None:
    """Some editors put one before everything."""
    (folder / "rules.toml").write_bytes(b"\xef\xbb\xbfmax_moves = 0\n")
    answer = run(
        "plan", folder / "estate", "--rules", folder / "rules.toml", "--out", folder / "other.json", "--effort", 1
    )
    assert answer.code == 0
    assert read_plan(folder / "other.json").rules.max_moves == 0


# Where writing fails half-way. The limits are real, so the program runs in a process of its own.

FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (%d, %d))"


def refused_half_way(folder: Path, *args: object, limit: int) -> Answer:
    before = everything(folder)
    answer = run_process(*args, before=FULL % (limit, limit))
    assert answer.code == 1, answer
    assert "Traceback" not in answer.err
    assert "File too large" in answer.err
    assert "what was there before is unchanged" in answer.err
    assert everything(folder) == before
    return answer


@pytest.mark.thorough
def test_a_plan_that_does_not_fit_leaves_the_old_one(folder: Path) -> None:
    """Where a file may not become as long as the plan is, the old plan stays whole and nothing lies beside it."""
    args = ("plan", folder / "estate", "--out", folder / "plan.json", "--effort", 1)
    assert str(folder / "plan.json") in refused_half_way(folder, *args, limit=1000).err
    assert read_plan(folder / "plan.json").schedule


@pytest.mark.thorough
def test_a_page_that_does_not_fit_leaves_the_old_one(folder: Path) -> None:
    """So it is for the page of a report."""
    _write(folder / "page.html", "the old page")
    args = ("report", folder / "plan.json", "--html", folder / "page.html")
    assert str(folder / "page.html") in refused_half_way(folder, *args, limit=10_000).err


@pytest.mark.parametrize("append", [True, False])
def test_an_estate_that_does_not_fit_leaves_the_old_one(folder: Path, append: bool) -> None:
    """So it is for an import, of a new estate and of more load."""
    write_load(folder)
    args = [*an_import(folder, "estate"), "--append"] if append else an_import(folder)
    refused_half_way(folder, *args, limit=2000)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of a few kilobytes, where one can be mounted."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    disk = folder / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_full_disk_leaves_the_old_plan(folder: Path) -> None:
    """On a full disk the plan that was there stays whole, and the message says what to do."""
    with small_disk(folder, "64k") as disk:
        shutil.copy(folder / "plan.json", disk / "plan.json")
        fill(disk / "filler")
        before = everything(disk)
        answer = run("plan", folder / "estate", "--out", disk / "plan.json", "--effort", 1)
        assert answer.code == 1, answer
        assert f"cannot write {disk / 'plan.json'}: No space left on device" in answer.err
        assert "the disk is full: free some space" in answer.err
        assert everything(disk) == before


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))


def test_a_full_disk_leaves_the_old_estate(folder: Path) -> None:
    """On a full disk the estate that was there stays whole, and so does one that was to be new: absent."""
    names = tuple(f"vm-{number:03d}" for number in range(60))
    with small_disk(folder, "128k") as disk:
        shutil.copytree(folder / "estate", disk / "estate")
        write_vms(folder, *(DAILY.replace("web-1", name) for name in names))
        write_load(folder, load_frame(names, samples=4 * 288))
        before = everything(disk)
        for out, more in (("estate", ["--append"]), ("second", [])):
            files = ["--vms", folder / "vms.csv", "--load", folder / "load.parquet"]
            answer = run("import", *files, "--out", disk / out, *more)
            assert answer.code == 1, answer
            assert "No space left on device; the disk is full: free some space" in answer.err
            assert everything(disk) == before


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are those of POSIX")
def test_a_folder_that_may_not_be_written_is_named(folder: Path) -> None:
    """Without permission nothing is written, and the message says where and what to do."""
    mortal = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    if mortal and not shutil.which("setpriv"):
        pytest.skip("needs setpriv to run as a root that permissions bind")
    paths = (folder, *folder.rglob("*"))
    before = everything(folder)
    calls = (
        an_import(folder),
        [*an_import(folder, "estate"), "--append"],
        ["plan", folder / "estate", "--out", folder / "plan.json", "--effort", 1],
        ["report", folder / "plan.json", "--html", folder / "page.html"],
        ["demo", folder / "demo", "--vms", 3],
    )
    try:
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        answers = [run_process(*args, prefix=mortal) for args in calls]
    finally:
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)
    for answer in answers:
        assert answer.code == 1, answer
        assert "Traceback" not in answer.err
        assert str(folder) in answer.err
        assert re.search(r"cannot be written to; choose another|Permission denied; choose a folder", answer.err)
    assert everything(folder) == before
