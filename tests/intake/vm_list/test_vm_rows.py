"""The list vms.csv as a whole: its notation, and what its lines must have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.errors import DataError
from optimizer.intake.vm_list.vm_rows import has_byte_order_mark, keep_spelling, read_vms

HEADER = "vm,service,vault,policy,frequency,days,time,timezone,retention_days"
WEB, DB = "web,shop,v,p,Daily,,23:00,UTC,30", "db,shop,v,p,Daily,,23:00,UTC,30"
VM_ID = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/web"


def write(folder: Path, *lines: str, encoding: str = "utf-8", end: str = "\n") -> Path:
    file = folder / "vms.csv"
    file.write_bytes(end.join(lines).encode(encoding))
    return file


def message(file: Path) -> str:
    with pytest.raises(DataError) as refused:
        read_vms(file)
    return str(refused.value)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_every_notation_is_read(tmp_path: Path, separator: str, end: str, encoding: str) -> None:
    """Separators, line ends and byte-order marks of spreadsheets do not matter; blank lines are skipped."""
    lines = [line.replace(",", separator) for line in (HEADER, WEB, "", DB, " ")]
    file = write(tmp_path, *lines, encoding=encoding, end=end)
    rows, columns = read_vms(file)
    assert [(row.vm, row.line) for row in rows] == [("web", 2), ("db", 4)]
    assert columns.names == tuple(HEADER.split(","))
    assert has_byte_order_mark(file) is (encoding == "utf-8-sig")


def test_quoted_fields_and_spaces(tmp_path: Path) -> None:
    """A quoted field may contain the separator, and spaces around a field do not count."""
    rows, _ = read_vms(write(tmp_path, HEADER, ' web ,"a, b",v,p,Weekly,Sunday,23:00,UTC, 30'))
    assert (rows[0].vm, rows[0].service, rows[0].retention_days) == ("web", "a, b", 30)


def test_unknown_columns_become_tags(tmp_path: Path) -> None:
    """A column that import does not know is kept as a tag."""
    rows, _ = read_vms(write(tmp_path, HEADER + ",owner,tag:Env", WEB + ",me,prod"))
    assert rows[0].tags == {"owner": "me", "Env": "prod"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "is empty; its first line must name the columns vm, service"),
        (["", " "], "is empty; its first line must name the columns vm, service"),
        ([HEADER], "lists no VM; give one line for each VM"),
        ([HEADER, WEB + ",more"], "line 2: 10 fields, but the header has 9; put a field that contains ','"),
        ([HEADER, "web"], "line 2: 1 field, but the header has 9"),
        ([HEADER, '"web"x' + WEB[3:]], "line 2: not valid CSV"),
        (["vm,service", "a,b"], "lacks the columns vault, policy"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, lines: list[str], expected: str) -> None:
    """A file without header, without VMs, or with lines of another length is refused with the place."""
    assert expected in message(write(tmp_path, *lines))


@pytest.mark.parametrize(
    ("content", "expected"),
    [("vm".encode("utf-16"), "is UTF-16 text; save it as 'CSV UTF-8'"), (b"vm\xe4", "is not UTF-8 text (byte 2)")],
)
def test_other_encodings_are_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    """Text in another encoding is refused with what to do."""
    file = tmp_path / "vms.csv"
    file.write_bytes(content)
    assert expected in message(file)
    assert "cannot read" in message(tmp_path / "none.csv")


def test_a_vm_listed_twice(tmp_path: Path) -> None:
    """Two lines of one VM contradict each other, whatever their case."""
    text = message(write(tmp_path, HEADER, WEB, WEB.replace("web", "WEB")))
    assert "VM listed twice:" in text and "VM WEB: lines 2 and 3; a VM has one policy" in text


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ("db,shop,V,P,Daily,,23:30,UTC,30", "time is '23:00' in line 2 and '23:30' in line 3"),
        ("db,shop,v,p,Weekly,Sunday,23:00,UTC,30", "days is '(none)' in line 2 and 'Sunday' in line 3"),
        ("db,shop,v,p,Daily,,23:00,UTC,31", "retention_days is '30' in line 2 and '31' in line 3"),
        ("db,shop,v,p,Daily,,23:00,Europe/Berlin,30", "timezone is 'UTC' in line 2 and 'Europe/Berlin' in line 3"),
    ],
)
def test_the_vms_of_a_policy_must_agree(tmp_path: Path, other: str, expected: str) -> None:
    """A policy has one schedule; the first line that differs is named with both values."""
    assert expected in message(write(tmp_path, HEADER, WEB, other))


def test_policies_of_two_vaults_may_differ(tmp_path: Path) -> None:
    """A policy belongs to its vault: the same name in another vault is another policy."""
    rows, _ = read_vms(write(tmp_path, HEADER, WEB, "db,shop,w,p,Daily,,01:00,UTC,7"))
    assert [row.time for row in rows] == [46, 2]


def test_the_spelling_of_the_estate_is_kept(tmp_path: Path) -> None:
    """A VM that the estate knows keeps its spelling; new VMs keep theirs."""
    rows, _ = read_vms(write(tmp_path, HEADER, WEB, DB))
    assert [row.vm for row in keep_spelling(rows, [{"id": "WEB"}])] == ["WEB", "db"]


def test_a_name_that_now_has_a_group(tmp_path: Path) -> None:
    """A VM that the estate knows by its name cannot be found again under an id."""
    rows, _ = read_vms(write(tmp_path, HEADER, WEB.replace("web", VM_ID)))
    with pytest.raises(DataError, match="knows VM web without a resource group, and line 2 now gives one"):
        keep_spelling(rows, [{"id": "web"}])
    assert [row.vm for row in keep_spelling(rows, [{"id": "web"}, {"id": VM_ID}])] == [VM_ID]
