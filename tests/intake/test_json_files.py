"""JSON files as the Azure CLI, PowerShell and editors write them, and what is wrong with other files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import DataError
from optimizer.intake.json_files import fault_of, is_utf16, read_json

VALUE = {"name": "vm-é", "list": [1, None, True]}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]


def write(folder: Path, content: bytes) -> Path:
    file = folder / "file.json"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_of_json_is_read(tmp_path: Path, encoding: str) -> None:
    """UTF-8 and UTF-16 are recognized, with and without a byte-order mark."""
    assert read_json(write(tmp_path, json.dumps(VALUE, ensure_ascii=False).encode(encoding))) == VALUE


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "is empty; the command that should have filled it may have failed"),
        (" \n", "is empty"),
        ("<html>", "it is HTML or XML, perhaps a page that asks to sign in"),
        ("vm,service\nweb,shop", "it looks like CSV: give a list of VMs with --vms"),
        ("vm;service\nweb;shop", "it looks like CSV"),
        ('[{"id": "a"', "it is cut off, perhaps because the command that wrote it was stopped"),
        ('[{"id": "a', "it is cut off"),
        ('{"id": "a"}\n{"id": "b"}', "it holds several JSON values: put them into one list"),
        ('{"id": oops}', "use --output json with the Azure CLI, and redirect only stdout"),
        ("WARNING something", "use --output json with the Azure CLI"),
        ('{"id": NaN}', "NaN is not a JSON value"),
        ('{"id": 1, "name": 2, "id": 3}', "the key 'id' stands twice in one object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"id": ' + "1" * 5000 + "}", "export it again"),
    ],
)
def test_what_is_wrong_is_explained(tmp_path: Path, text: str, advice: str) -> None:
    """A file that is not JSON is refused with its name, the reason, and what to do."""
    with pytest.raises(DataError, match=r"file\.json") as refused:
        read_json(write(tmp_path, text.encode()))
    assert advice in str(refused.value)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    """Text in another encoding is refused with the position of the first wrong byte."""
    with pytest.raises(DataError, match=r"is not UTF-8 or UTF-16 text \(byte 7\)"):
        read_json(write(tmp_path, b'{"id":"\xe4"}'))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that does not exist is named with the reason of the system."""
    with pytest.raises(DataError, match=r"cannot read .*none\.json: No such file or directory"):
        read_json(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("content", "expected"), [(b"\xff\xfea\0", True), (b"\xfe\xff\0a", True), (b"a\0", False), (b"", False)]
)
def test_the_mark_of_utf16(content: bytes, expected: bool) -> None:
    """Only the byte-order mark shows UTF-16."""
    assert is_utf16(content) is expected


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (deep(64), ""),
        (deep(66), "it is nested more than 64 levels deep"),
        ({"name": "\ud800"}, "its text holds half of a surrogate pair, which is not a character"),
        ({"name": "é"}, ""),
    ],
)
def test_values_that_cannot_be_kept(value: object, expected: str) -> None:
    """A value that could not be written to an estate, or read again, has a fault."""
    assert fault_of(value) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(value=st.lists(JSON, max_size=3), encoding=st.sampled_from(ENCODINGS))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, value: list[object], encoding: str
) -> None:
    """Any list survives writing and reading in any encoding."""
    file = tmp_path_factory.getbasetemp() / "round.json"
    file.write_bytes(json.dumps(value, ensure_ascii=False).encode(encoding))
    assert read_json(file) == value
