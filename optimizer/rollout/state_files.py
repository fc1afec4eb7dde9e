"""Files of the state folder, which one user has or several share: who may read and write them follows the folder."""

from __future__ import annotations

import getpass
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from optimizer.errors import EstateError
from optimizer.estate.atomic import translate_write_errors

STATE_VARIABLE = "BACKUP_OPTIMIZER_STATE"

_OWNER_ONLY = 0o700
_NEW_SHARED = 0o770
"""Access to a new folder that ``BACKUP_OPTIMIZER_STATE`` names, less the umask."""

_READ_WRITE = 0o666
_POSIX = os.name != "nt"


def make_state_folder(folder: Path, access: int = _OWNER_ONLY) -> None:
    """Make the state folder if it is missing; one that is there keeps its access.

    Parameters
    ----------
    folder
        The state folder.
    access
        Access to a new folder, less the umask.

    Raises
    ------
    EstateError
        It cannot be made, or not be used.
    """
    with explain_access(folder, folder):
        folder.mkdir(parents=True, exist_ok=True, mode=access)
        os.scandir(folder).close()


def make_named_folder(folder: Path) -> None:
    """Make a folder that ``BACKUP_OPTIMIZER_STATE`` names: for the user and, if the umask allows it, the group."""
    make_state_folder(folder, _NEW_SHARED)


def make_part(folder: Path, name: str) -> Path:
    """A folder inside of the state folder, with the same access.

    Raises
    ------
    EstateError
        It cannot be made.
    """
    part = folder / name
    with explain_access(part, folder):
        part.mkdir(exist_ok=True)
        _give(part, stat.S_IMODE(folder.stat().st_mode))
    return part


def access_to_files(folder: Path) -> int:
    """Access to new files of the state folder: whoever may use the folder may use them."""
    with explain_access(folder, folder):
        return stat.S_IMODE(folder.stat().st_mode) & _READ_WRITE | 0o600


def share(file: Path, folder: Path) -> None:
    """Give a file of the state folder the folder's access, if it is there and is this user's.

    An earlier version made its files for the owner only, and a umask may have taken something away.

    Raises
    ------
    EstateError
        The file cannot be seen.
    """
    with explain_access(file, folder):
        if file.exists():
            _give(file, access_to_files(folder))


def _give(path: Path, wanted: int) -> None:
    found = path.stat()
    if _POSIX and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != wanted:
        path.chmod(wanted)


def open_shared(file: Path, folder: Path) -> int:
    """Open a file of the state folder to read and append, with the folder's access; its descriptor.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    flags = os.O_RDWR | os.O_APPEND
    try:
        # Not with O_CREAT: in sticky folders Linux refuses that for files of others (fs.protected_regular).
        return os.open(file, flags)
    except FileNotFoundError:
        descriptor = os.open(file, flags | os.O_CREAT, 0o600)
    share(file, folder)
    return descriptor


def require_torn(line: bytes, file: Path) -> None:
    """Pass over a line that a crash cut off, and nothing else.

    Raises
    ------
    EstateError
        The line is whole but not understood, or no line of such a file: what it counts would be missed.
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
    """Put into a lock file who holds it, for those that find it held; the lock holds without it."""
    with suppress(OSError), lock.open("r+", encoding="utf-8") as file:
        # "w" would ask for O_CREAT, as in open_shared, and the name of an earlier holder would stay.
        file.truncate()
        file.write(f"{_user()}, process {os.getpid()}")


def holder_of(lock: Path) -> str:
    """Who holds a lock, in brackets; empty if it does not say."""
    try:
        told = lock.read_text("utf-8", "replace")[:80]
    except OSError:
        return ""
    return f" ({told})" if told.isprintable() and told else ""


@contextmanager
def explain_access(path: Path, folder: Path, *, shared: bool = True) -> Iterator[None]:
    """Turn what the system says about a file into an error that says what to do.

    Parameters
    ----------
    path
        The file.
    folder
        Where it is.
    shared
        Whether that is the state folder, which several users may share.

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
    """Owner of the first of some paths that can be seen."""
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
