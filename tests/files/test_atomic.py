"""Writing a file whole or not at all, and only where a file is meant."""

from __future__ import annotations

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
from optimizer.files.atomic import make_private_folder, translate_write_errors, write_bytes
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
    """A file is readable and writable by its owner and by nobody else, also where it replaces an open one."""
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
