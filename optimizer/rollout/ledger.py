"""Policy writes of the last days on this machine, and locks: what several runs must know of each other."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from optimizer.estate.atomic import translate_write_errors
from optimizer.estate.document import UtcDatetime
from optimizer.rollout.errors import BusyError

BUDGET_PERIOD = timedelta(hours=24)
"""Period over which Azure counts policy writes (Azure Backup FAQ, 2025-12-30)."""

STATE_VARIABLE = "BACKUP_OPTIMIZER_STATE"
_OWNER_ONLY_FOLDER = 0o700


class PolicyWrite(BaseModel):
    """A policy that was created or edited.

    Parameters
    ----------
    at
        When.
    vault_id
        In which vault, lower case.
    key
        Which write of which journal it was: one that is tried again is counted once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: UtcDatetime
    vault_id: str
    key: str


def state_folder() -> Path:
    """Where this user's runs keep ledger and locks: ``BACKUP_OPTIMIZER_STATE``, else the system's usual place."""
    given = os.environ.get(STATE_VARIABLE)
    if given:
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_state_dir("backup-optimizer", appauthor=False))


class Ledger:
    """The policy writes that count towards Azure's limit per 24 hours; kept on disk.

    Parameters
    ----------
    folder
        Where it is kept; made where there is none.

    Raises
    ------
    EstateError
        The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        import filelock

        self._file = folder / "policy-writes.jsonl"
        with translate_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=_OWNER_ONLY_FOLDER)
        self._lock = filelock.FileLock(folder / "policy-writes.lock", mode=0o600)

    def since(self, moment: datetime) -> tuple[PolicyWrite, ...]:
        """Writes after a moment, oldest first."""
        return tuple(sorted((write for write in self._read() if write.at > moment), key=lambda write: write.at))

    def add(self, write: PolicyWrite) -> None:
        """Count a write, durably, before it is sent; one whose key is there already is not counted again.

        Raises
        ------
        EstateError
            The file cannot be written.
        """
        with translate_write_errors(self._file), self._lock:
            if any(other.key == write.key for other in self._read()):
                return
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, write.model_dump_json().encode() + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _read(self) -> Iterator[PolicyWrite]:
        if not self._file.exists():
            return
        for line in self._file.read_bytes().split(b"\n"):
            try:
                yield PolicyWrite.model_validate_json(line)
            except ValidationError:
                continue  # the end of a line that a crash cut off: that write was never sent


@contextmanager
def hold_locks(folder: Path, journal: Path, vault_ids: Iterable[str]) -> Iterator[None]:
    """Keep every other run on this machine away from a journal and from vaults; the locks end with the process.

    Parameters
    ----------
    folder
        The state folder.
    journal
        The journal that is written.
    vault_ids
        The vaults that are written to.

    Raises
    ------
    BusyError
        Another run holds one of them.
    """
    import filelock

    with translate_write_errors(folder):
        (folder / "locks").mkdir(parents=True, exist_ok=True, mode=_OWNER_ONLY_FOLDER)
    places = {f"journal {journal}": journal.with_name(journal.name + ".lock")}
    for vault_id in sorted({vault_id.lower() for vault_id in vault_ids}):
        name = hashlib.sha256(vault_id.encode()).hexdigest()[:24]
        places[f"vault {vault_id.rpartition('/')[2]}"] = folder / "locks" / f"{name}.lock"
    with ExitStack() as stack:
        for what, place in places.items():
            lock = filelock.FileLock(place, timeout=0, mode=0o600)
            with translate_write_errors(place):
                try:
                    lock.acquire()
                except filelock.Timeout as exc:
                    raise BusyError(
                        f"{what}: another apply or rollback is at work on it on this machine (lock {place}); wait "
                        "until it has ended, then run 'apply --resume'"
                    ) from exc
            stack.callback(lock.release)
        yield
