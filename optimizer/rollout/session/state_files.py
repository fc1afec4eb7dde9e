"""Files of the state folder, which belongs to one user or is shared; access to the files follows the folder."""

from __future__ import annotations

import getpass
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from optimizer.errors import EstateError
from optimizer.files import translate_write_errors

STATE_VARIABLE = "BACKUP_OPTIMIZER_STATE"

_OWNER_ONLY = 0o700
_NEW_SHARED = 0o770
"""Access to a new folder that ``BACKUP_OPTIMIZER_STATE`` names, minus the umask."""

_READ_WRITE = 0o666
_POSIX = os.name != "nt"


def make_state_folder(folder: Path, access: int = _OWNER_ONLY) -> None:
    """Create the state folder if it does not exist; an existing folder keeps its access.

    Parameters
    ----------
    folder
        State folder.
    access
        Access to a new folder, minus the umask.

    Raises
    ------
    EstateError
        The folder cannot be created or used.
    """
    with explain_access(folder, folder):
        folder.mkdir(parents=True, exist_ok=True, mode=access)
        os.scandir(folder).close()


def make_named_folder(folder: Path) -> None:
    """Create a folder that ``BACKUP_OPTIMIZER_STATE`` names: for the user and, if the umask allows it, the group."""
    make_state_folder(folder, _NEW_SHARED)


def make_part(folder: Path, name: str) -> Path:
    """Create a subfolder of the state folder, with the same access.

    Raises
    ------
    EstateError
        The subfolder cannot be created.
    """
    part = folder / name
    with explain_access(part, folder):
        part.mkdir(exist_ok=True)
        _give(part, stat.S_IMODE(folder.stat().st_mode))
    return part


def access_to_files(folder: Path) -> int:
    """Access to new files of the state folder: everybody who may use the folder may use them."""
    with explain_access(folder, folder):
        return stat.S_IMODE(folder.stat().st_mode) & _READ_WRITE | 0o600


def share(file: Path, folder: Path) -> None:
    """Give a file of the state folder the folder's access, if it exists and belongs to this user.

    An earlier version created its files for the owner only, and a umask may have removed access.

    Raises
    ------
    EstateError
        The file cannot be read.
    """
    with explain_access(file, folder):
        if file.exists():
            _give(file, access_to_files(folder))


def _give(path: Path, wanted: int) -> None:
    found = path.stat()
    if _POSIX and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != wanted:
        path.chmod(wanted)


def open_shared(file: Path, folder: Path) -> int:
    """Open a file of the state folder for reading and appending, with the folder's access; returns its descriptor.

    Raises
    ------
    OSError
        The file cannot be opened.
    """
    flags = os.O_RDWR | os.O_APPEND
    try:
        # Without O_CREAT: in sticky folders, Linux refuses it for files of other users (fs.protected_regular).
        return os.open(file, flags)
    except FileNotFoundError:
        descriptor = os.open(file, flags | os.O_CREAT, 0o600)
    share(file, folder)
    return descriptor


def require_torn(line: bytes, file: Path) -> None:
    """Accept a line that a crash cut off, and no other line.

    Raises
    ------
    EstateError
        The line is whole but not understood, or is not a line of such a file; its writes would not be counted.
    """
    if not line.strip(b"\0 \r\t"):
        return
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        if line.lstrip(b"\0").startswith(b"{"):
            return
    shown = line[:80].decode("utf-8", "backslashreplace")
    raise EstateError(
        f"{file}: this version does not understand the line {shown!r}; update the program. If the file is damaged, "
        "move it away and leave room in the budget: the writes of the last 24 hours are not counted then"
    )


def sign(lock: Path) -> None:
    """Write the holder's name into a lock file, for processes that find it locked; the lock holds without it."""
    with suppress(OSError), lock.open("r+", encoding="utf-8") as file:
        # Mode "w" would use O_CREAT (see open_shared), and the name of an earlier holder would stay.
        file.truncate()
        file.write(f"{_user()}, process {os.getpid()}")


def holder_of(lock: Path) -> str:
    """Name of the holder of a lock, in brackets; empty if the file does not contain it."""
    try:
        signature = lock.read_text("utf-8", "replace")[:80]
    except OSError:
        return ""
    return f" ({signature})" if signature.isprintable() and signature else ""


@contextmanager
def explain_access(path: Path, folder: Path, *, shared: bool = True) -> Iterator[None]:
    """Turn an ``OSError`` about a file into an error that says what to do.

    Parameters
    ----------
    path
        Path of the file.
    folder
        Folder of the file.
    shared
        Whether the folder is the state folder, which several users may share.

    Raises
    ------
    EstateError
        The body met an ``OSError``.
    """
    with translate_write_errors(path):
        try:
            yield
        except PermissionError as exc:
            if not shared:
                raise
            refused = Path(exc.filename) if isinstance(exc.filename, str) else path
            raise EstateError(
                f"cannot use {refused}: it belongs to {_owner(refused, folder)}, and you ({_user()}) may not read and "
                "write it. If several users share the state folder, its owner runs once: "
                f"chgrp -R GROUP {folder} && chmod -R g+rwX {folder} && chmod g+s {folder}; "
                f"otherwise set {STATE_VARIABLE} to a folder of your own (its budget of policy writes then does not "
                "count theirs)"
            ) from exc


def _owner(*paths: Path) -> str:
    """Owner of the first path that can be read."""
    for path in paths:
        try:
            number = path.stat().st_uid
        except OSError:
            continue
        try:
            return path.owner()
        except (KeyError, OSError, NotImplementedError):
            return f"the user with id {number}"
    return "another user"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"the user with id {os.getuid()}" if _POSIX else "unknown"
