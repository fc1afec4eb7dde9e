"""estate.json: what it holds, its fingerprint, and what is wrong with a damaged one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from optimizer.errors import EstateError
from optimizer.estate.document import (
    ESTATE_FILE,
    EstateDocument,
    EstateFile,
    LoadPart,
    read_document,
)
from optimizer.files.remote import RemotePath
from optimizer.model.arm_id import ArmId

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = "0" * 64


def document(**more: Any) -> EstateDocument:
    return EstateDocument(**{"created_at": NOW, "as_of": NOW, "source": "azure", **more})


def write(folder: Path, content: object) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / ESTATE_FILE).write_text(text)
    return folder


def content(**more: object) -> dict[str, Any]:
    return {**json.loads(document().to_json()), **more}


def message(folder: Path) -> str:
    with pytest.raises(EstateError) as refused:
        read_document(folder)
    return str(refused.value)


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every field survives, ids with their spelling."""
    whole = document(
        vaults=({"id": "V"},), load_gaps={ArmId("A"): "no data"}, missing_vms={ArmId("B"): "gone"},
        services={ArmId("C"): "shop"},
        jobs=(EstateFile(path="jobs/part-000.parquet", rows=1, bytes=2, sha256=DIGEST),),
    )  # fmt: skip
    again = read_document(write(tmp_path, whole.to_json()))
    assert again == whole and str(next(iter(again.load_gaps))) == "A"
    assert read_document(RemotePath(f"file://{tmp_path}")) == whole


def test_one_line_for_each_resource() -> None:
    """Versions of the file can be compared line by line."""
    lines = document(vms=({"id": "a", "name": "é"}, {"id": "b"})).to_json().splitlines()
    assert '    {"id": "a", "name": "é"},' in lines and '    {"id": "b"}' in lines
    assert '  "vaults": [],' in lines


def test_what_the_fingerprint_covers() -> None:
    """Everything but the time at which the file was written."""
    base = document()
    assert base.fingerprint() == document(created_at=NOW + timedelta(days=1)).fingerprint()
    assert base.fingerprint().startswith("sha256:") and len(base.fingerprint()) == 71
    others = [
        document(as_of=NOW + timedelta(seconds=1)), document(source="demo"), document(vms=({"id": "a"},)),
        document(services={ArmId("a"): "x"}), document(missing_vms={ArmId("a"): "gone"}),
    ]  # fmt: skip
    assert len({base.fingerprint(), *(other.fingerprint() for other in others)}) == 6


def test_estates_of_before_vms_were_looked_for() -> None:
    """Without missing VMs the field is left out, so that fingerprints of older estates stay the same."""
    assert "missing_vms" not in document().to_json()
    assert "missing_vms" in document(missing_vms={ArmId("a"): "hidden"}).to_json()


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("{", "is not valid JSON"),
        ("[]", "'schema_version' is None; allowed: a number >= 1"),
        ("{}", "'schema_version' is None; allowed: a number >= 1"),
        ({"schema_version": True}, "'schema_version' is True; allowed: a number >= 1"),
        ({"schema_version": "1"}, "'schema_version' is '1'; allowed: a number >= 1"),
        ({"schema_version": 0}, "'schema_version' is 0; allowed: a number >= 1"),
        ({"schema_version": 2}, "has schema version 2, this program reads versions up to 1: upgrade the program"),
        ({"schema_version": 1}, "is not an estate document"),
        (content(source="elsewhere"), "is not an estate document"),
        (content(unknown=1), "is not an estate document"),
        (content(as_of="2026-03-01T12:00:00"), "is not an estate document"),
        (content(vms={"id": "a"}), "is not an estate document"),
        (content(missing_vms={"a": "lost"}), "is not an estate document"),
        (content(as_of=None), "is not an estate document"),
    ],
)
def test_damaged_documents(tmp_path: Path, wrong: object, expected: str) -> None:
    """A file that is no document of a known version is refused with its name and what to do."""
    text = message(write(tmp_path, wrong))
    assert expected in text and ESTATE_FILE in text


def test_folders_without_a_document(tmp_path: Path) -> None:
    """A folder without estate.json, and a file in its place, are told apart."""
    assert "is not an estate folder: it contains no estate.json" in message(tmp_path)
    (tmp_path / "file").write_text("x")
    assert "is a file, not an estate folder" in message(tmp_path / "file")


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    """What the system refuses to read is named with its reason."""
    (tmp_path / ESTATE_FILE).mkdir()
    assert "Is a directory; make it readable for this user" in message(tmp_path)


@pytest.mark.parametrize(
    "path",
    ["../part-000.parquet", "load/part-000.parquet", "jobs/part-0.parquet", "jobs/part-000.parquet/x", "/jobs/x", ""],
)
def test_paths_of_parts_stay_in_the_folder(path: str) -> None:
    """A document cannot name a file outside the estate."""
    with pytest.raises(ValidationError):
        EstateFile(path=path, rows=0, bytes=0, sha256=DIGEST)


@pytest.mark.parametrize("more", [{"rows": -1}, {"bytes": -1}, {"sha256": "x"}])
def test_numbers_of_parts_are_checked(more: dict[str, Any]) -> None:
    """Sizes are not negative, and digests are hexadecimal."""
    with pytest.raises(ValidationError):
        EstateFile(**{"path": "jobs/part-000.parquet", "rows": 0, "bytes": 0, "sha256": DIGEST, **more})


def test_a_load_part_states_its_day() -> None:
    """The day of a load part is a field, beside the path."""
    part = LoadPart(path="load/date=2026-02-28/part-000.parquet", rows=1, bytes=1, sha256=DIGEST, date="2026-02-28")  # type: ignore[arg-type]
    assert part.date.isoformat() == "2026-02-28"


RESOURCE = st.dictionaries(st.sampled_from(["id", "name", "tags"]), st.none() | st.text(max_size=4) | st.integers())


@given(st.lists(RESOURCE, max_size=4))
def test_resources_are_kept_whole(resources: list[dict[str, Any]]) -> None:
    """Raw resources survive unchanged, whatever they contain."""
    whole = document(vms=tuple(resources))
    again = EstateDocument.model_validate_json(whole.to_json())
    assert again.vms == tuple(resources) and again.fingerprint() == whole.fingerprint()
