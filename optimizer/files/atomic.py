"""Writes files atomically: after any failure, readers see the old or the new content, and only the owner may read."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optimizer.errors import EstateError

PRIVATE_FILE = 0o600
"""Mode of files, for the owner only whatever the umask (POSIX only): they hold names, tags and ids of an estate."""

PRIVATE_FOLDER = 0o700
"""Mode of folders, for the owner only."""

_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space or choose a folder on another disk",
    errno.EDQUOT: "the disk quota is used up: free some space or choose a folder on another disk",
    errno.EFBIG: "the file would exceed the size limit of this process (ulimit -f): raise it",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder on a disk that can be written",
    errno.ENOENT: "the folder does not exist: make it or choose another",
    errno.EINVAL: "this is no regular file: give the name of a file",
    errno.ENOTDIR: "a part of this path is a file: choose another folder",
}
"""What to do about a failed write, by the system's error number."""


def scratch_name(name: str) -> str:
    """Unique hidden name for a temporary file beside ``name``."""
    return f".{name}.{uuid.uuid4().hex[:12]}.tmp"


@contextmanager
def translate_write_errors(path: Path) -> Iterator[None]:
    """Translate system errors during a write to an :class:`EstateError` with advice.

    Raises
    ------
    EstateError
        The body raised an ``OSError``.
    """
    try:
        yield
    except OSError as exc:
        advice = _ADVICE.get(exc.errno or 0, "see whether the disk is in order")
        what = os.strerror(exc.errno) if exc.errno else str(exc)
        raise EstateError(f"cannot write {path}: {what}; {advice}; what was there before is unchanged") from exc


def save_file(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` as :func:`write_bytes` does; failures are explained.

    Raises
    ------
    EstateError
        The file cannot be written; what was there before is unchanged.
    """
    with translate_write_errors(path):
        write_bytes(path, content)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, synced to disk and readable only by the owner; failures keep the old file.

    A symbolic link is followed. A device, pipe or folder is refused and never replaced.

    Raises
    ------
    OSError
        The disk is full, the folder is not writable, the target is not a regular file ...
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    scratch = path.with_name(scratch_name(path.name))
    try:
        with open(scratch, "xb", opener=_open_private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _open_private(path: str, flags: int) -> int:
    handle = os.open(path, flags, PRIVATE_FILE)
    if os.name != "nt":
        os.fchmod(handle, PRIVATE_FILE)  # the umask may have removed rights of the owner as well
    return handle


def make_private_folder(folder: Path) -> None:
    """Create a folder and its missing parents for the owner only; existing folders keep their modes.

    Raises
    ------
    OSError
        The folder cannot be created.
    """
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    try:
        folder.mkdir(PRIVATE_FOLDER)
    except FileExistsError as exc:
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from exc
        return
    if os.name != "nt":
        folder.chmod(PRIVATE_FOLDER)


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable, if the system supports it."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
