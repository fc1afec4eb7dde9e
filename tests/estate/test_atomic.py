"""Writing a file whole or not at all, and only where a file is meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from optimizer.errors import EstateError
from optimizer.estate.atomic import translate_write_errors, write_bytes


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
