"""Writing a file whole or not at all, and only where a file is meant."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from optimizer.arm import ArmResources
from optimizer.errors import EstateError
from optimizer.estate.writer import EstateWriter
from optimizer.files.atomic import (
    make_private_folder,
    save_file,
    scratch_name,
    translate_write_errors,
    write_bytes,
)
from optimizer.model.load import DayLoad


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    """What a link points to is written, and the link still points there."""
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old")
    link.symlink_to(real)
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_what_is_no_file_is_refused_and_stays(tmp_path: Path) -> None:
    """A pipe (as a device would be) is not replaced by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(EstateError, match="give the name of a file"), translate_write_errors(pipe):
        write_bytes(pipe, b"new")
    assert pipe.is_fifo()
    assert sorted(tmp_path.iterdir()) == [pipe]


posix = pytest.mark.skipif(os.name == "nt", reason="Windows keeps rights in access lists, which are inherited")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    old = os.umask(mask)
    try:
        yield
    finally:
        os.umask(old)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@posix
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o377])
def test_files_are_the_owners_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    """Only its owner may read and write a file, even if it replaces one that others could read."""
    path = tmp_path / "plan.json"
    path.write_text("old")
    path.chmod(0o644)
    with umask(mask):
        write_bytes(path, b"new")
    assert mode(path) == 0o600


@posix
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o377])
def test_folders_are_the_owners_and_old_ones_stay(tmp_path: Path, mask: int) -> None:
    """Every folder that is made is the owner's; one that was there keeps its rights."""
    tmp_path.chmod(0o755)
    with umask(mask):
        make_private_folder(tmp_path / "a" / "b")
        make_private_folder(tmp_path / "a" / "b")
    assert [mode(tmp_path / "a"), mode(tmp_path / "a" / "b"), mode(tmp_path)] == [0o700, 0o700, 0o755]


@posix
def test_an_estate_is_the_owners(tmp_path: Path) -> None:
    """Every file and folder of an estate, new or appended, is closed to others."""
    folder, now = tmp_path / "estate", datetime(2026, 11, 1, tzinfo=UTC)
    values = np.full((1, 288), 5.0, dtype=np.float32)
    day = DayLoad(date(2026, 10, 1), ("vm",), values, values)
    old = None
    with umask(0):
        for _ in range(2):
            with EstateWriter(folder, old) as writer:
                writer.add_load(day)
                old = writer.commit(ArmResources(now, "azure"), created_at=now)
    paths = [folder, *folder.rglob("*")]
    assert len(paths) == 6
    assert {mode(path) for path in paths if path.is_dir()} == {0o700}
    assert {mode(path) for path in paths if path.is_file()} == {0o600}


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "the disk is full: free some space or choose a folder on another disk"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EFBIG, "exceed the size limit of this process (ulimit -f): raise it"),
        (errno.EACCES, "choose a folder that you may write to"),
        (errno.EROFS, "choose a folder on a disk that can be written"),
        (errno.ENOENT, "the folder does not exist: make it or choose another"),
        (errno.ENOTDIR, "a part of this path is a file: choose another folder"),
        (errno.EIO, "see whether the disk is in order"),
    ],
)
def test_each_failed_write_has_its_advice(number: int, advice: str) -> None:
    """The message names the file, the reason of the system, and what to do."""
    with pytest.raises(EstateError) as refused, translate_write_errors(Path("estate.json")):
        raise OSError(number, os.strerror(number))
    text = str(refused.value)
    assert text.startswith(f"cannot write estate.json: {os.strerror(number)}; ") and advice in text
    assert text.endswith("; what was there before is unchanged")


def test_errors_without_a_number_are_translated_as_well() -> None:
    """Some drivers raise errors with a text only; other exceptions pass through."""
    with pytest.raises(EstateError, match="cannot write x: no more tape; see whether the disk is in order"):
        _fail_to_write(OSError("no more tape"))
    with pytest.raises(ValueError, match="a mistake"):
        _fail_to_write(ValueError("a mistake"))


def _fail_to_write(error: Exception) -> None:
    with translate_write_errors(Path("x")):
        raise error


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """The new content is there, and no scratch file is left beside it."""
    file = tmp_path / "file"
    save_file(file, b"old")
    save_file(file, b"new")
    assert file.read_bytes() == b"new" and list(tmp_path.iterdir()) == [file]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    """A folder in place of the file is refused, and nothing is left behind."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(EstateError, match="this is no regular file: give the name of a file"):
        save_file(tmp_path / "folder", b"new")
    with pytest.raises(EstateError, match="the folder does not exist: make it or choose another"):
        save_file(tmp_path / "none" / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_scratch_names_are_hidden_and_unique() -> None:
    """Two writers of one file do not use the same scratch file."""
    names = {scratch_name("plan.json") for _ in range(50)}
    assert len(names) == 50
    assert all(name.startswith(".plan.json.") and name.endswith(".tmp") for name in names)


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    """A folder cannot be made where a file is, nor below it."""
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotADirectoryError):
            make_private_folder(folder)
    make_private_folder(tmp_path)
    make_private_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
