"""``import`` through the command line: ARM resources in files, then plan and rehearsal."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import click
import polars as pl
import pytest

from optimizer.cli.estate import UtcTime
from tests.cases import case_load
from tests.cli.command_line import run
from tests.intake.inputs import (
    DAILY,
    HEADER,
    WEEKLY,
    load_frame,
    write_load,
    write_vms,
)
from tests.intake.resource_files import resource_inputs as inputs


@pytest.fixture
def exported(tmp_path: Path) -> list[Path]:
    """Return the four files of the Azure CLI, beside a load whose first VM is busy at its backup."""
    case_load(list(inputs.NAMES), days=8).write_parquet(tmp_path / "load.parquet")
    return inputs.write_json(tmp_path, inputs.as_azure_cli())


def test_resources_can_be_planned_and_rehearsed(tmp_path: Path, exported: list[Path]) -> None:
    """The journey of a planner without rights in Azure ends in a plan that a rehearsal carries out."""
    estate, plan = tmp_path / "estate", tmp_path / "plan.json"
    answer = run("import", "--resources", *exported, "--load", tmp_path / "load.parquet", "--out", estate)
    assert (answer.code, answer.err) == (0, "")
    assert "2 VMs in 1 vault with 1 policy" in answer.out
    assert run("plan", estate, "--out", plan, "--effort", "1").code == 0
    changes = json.loads(plan.read_text(encoding="utf-8"))["changes"]
    assert {change["policy_id"].lower().startswith(inputs.VAULT.lower()) for change in changes} == {True}
    answer = run("rehearse", plan, "--from", "2026-11-20T12:00Z")
    assert answer.code == 0, answer.err


def test_reports_name_what_was_left_out(tmp_path: Path, exported: list[Path]) -> None:
    """Text and JSON both list objects that were not used."""
    other = tmp_path / "other.json"
    other.write_text(json.dumps([{"id": "web-1"}, {"id": f"{inputs.APP}/providers/Microsoft.Compute/disks/d"}]))
    files = ["--resources", *exported, "--resources", other, "--load", tmp_path / "load.parquet"]
    text = " ".join(run("import", *files, "--out", tmp_path / "one").out.split())
    assert "its id is 'web-1', which is not the ARM id of a resource" in text
    assert "Not used: 1 of type microsoft.compute/disks." in text
    found = json.loads(run("import", *files, "--out", tmp_path / "two", "--format", "json").out)
    assert len(found["left_out"]) == 2


def test_load_without_one_of_the_vms_is_said(tmp_path: Path, exported: list[Path]) -> None:
    """A VM without load is named by its id."""
    frame = pl.read_parquet(tmp_path / "load.parquet").filter(vm="db-1")
    load = write_load(tmp_path, frame, "one.parquet")
    found = run("import", "--resources", *exported, "--load", load, "--out", tmp_path / "e", "--format", "json")
    assert json.loads(found.out)["vms_without_load"] == [inputs.vm_id("web-1")]


def test_vms_and_resources_exclude_each_other(tmp_path: Path, exported: list[Path]) -> None:
    """One of the two inventories has to be given, and only one."""
    write_vms(tmp_path)
    rest = ["--load", tmp_path / "load.parquet", "--out", tmp_path / "estate"]
    vms = ["--vms", tmp_path / "vms.csv"]
    for args, said in (
        ([], "give either --vms"),
        ([*vms, "--resources", exported[0]], "give either --vms"),
        ([*vms, exported[0]], "unexpected file"),
        ([*vms, "--resource-group", inputs.GROUP], "--resource-group belongs to templates"),
    ):
        answer = run("import", *args, *rest)
        assert answer.code == 2
        assert said in answer.err


RULES = """
[[rule]]
name = "web in the day"
where = { tag = { tier = "web" }, os = "Linux", resource_group = "rg-web" }
allow = [{ from = "08:00", to = "20:00" }]
"""


def test_a_list_with_columns_and_csv_load_is_ruled(tmp_path: Path) -> None:
    """Columns of the list select the VMs of a rule; a German CSV is read; that plans cannot be applied is said."""
    vms = write_vms(
        tmp_path,
        f"{DAILY},web,Linux,rg-web,x",
        f"{WEEKLY},db,Windows,rg-db,y",
        header=f"{HEADER},tag:tier,os,resource_group,owner",
    )
    frame = load_frame(samples=8 * 288).with_columns(
        pl.col("ts").dt.convert_time_zone("Europe/Berlin").dt.strftime("%Y-%m-%d %H:%M")
    )
    load = tmp_path / "load.csv"
    load.write_text(frame.write_csv().replace(",", ";").replace(".", ","), encoding="utf-8-sig")
    files = ["--vms", vms, "--load", load]
    naive = run("import", *files, "--out", tmp_path / "none")
    assert naive.code == 1
    assert "--zone Europe/Berlin" in naive.err
    answer = run("import", *files, "--zone", "Europe/Berlin", "--out", tmp_path / "estate")
    assert (answer.code, answer.err) == (0, "")
    text = " ".join(answer.out.split())
    assert "Plans of this estate cannot be applied" in text
    assert "Column 'owner' is not one that import knows; it is kept as a tag" in text
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    found = run("audit", tmp_path / "estate", "--rules", tmp_path / "rules.toml", "--format", "json")
    (broken,) = json.loads(found.out)["broken_rules"]
    assert [vm.rpartition("/")[2] for vm in broken["vms"]] == ["web-1"]


def test_two_vms_of_one_name_are_explained(tmp_path: Path) -> None:
    """The message names both ways to tell the VMs apart, and nothing is written."""
    vms = write_vms(tmp_path, DAILY, DAILY)
    answer = run("import", "--vms", vms, "--load", write_load(tmp_path), "--out", tmp_path / "estate")
    assert answer.code == 1
    assert "give the ARM id of each in the column vm, or add the column resource_group" in answer.err
    assert not (tmp_path / "estate").exists()


def test_less_than_a_week_of_load_is_reported(tmp_path: Path) -> None:
    """The report of an import gives the minimum of history where the estate has less."""
    vms = write_vms(tmp_path)
    for days, told in ((2, True), (7, False)):
        load = write_load(tmp_path, load_frame(samples=days * 288))
        answer = run("import", "--vms", vms, "--load", load, "--out", tmp_path / f"estate-{days}")
        assert ("less than a week, which is the minimum" in " ".join(answer.out.split())) == told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T00:00Z", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T00:00+01:00", datetime(2026, 2, 28, 23, tzinfo=UTC)),
        ("2026-03-01T12:30:15-05:30", datetime(2026, 3, 1, 18, 0, 15, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_with_its_zone(text: str, expected: datetime) -> None:
    """Times are kept in UTC."""
    assert UtcTime().convert(text, None, None) == expected


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("yesterday", "'yesterday' is not a time; allowed: ISO 8601 such as 2026-03-01T00:00Z"),
        ("2026-02-30T00:00Z", "is not a time"),
        ("2026-03-01T00:00", "has no zone; add Z for UTC or an offset such as"),
        ("0001-01-01T00:00+14:00", "0001-01-01"),
    ],
)
def test_a_time_that_cannot_be_used_is_named(text: str, answer: str) -> None:
    """No calendar day, no zone, or a year outside the program's calendar."""
    with pytest.raises(click.BadParameter, match=re.escape(answer)):
        UtcTime().convert(text, None, None)
