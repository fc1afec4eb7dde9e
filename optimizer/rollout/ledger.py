"""Writes of the last days on this machine, and locks: what several runs must know of each other."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from optimizer.estate.atomic import translate_write_errors
from optimizer.estate.document import UtcDatetime
from optimizer.model.strict import StrictModel
from optimizer.rollout.errors import BusyError

BUDGET_PERIOD = timedelta(hours=24)
"""Period over which Azure counts policy writes (Azure Backup FAQ, 2025-12-30)."""

STATE_VARIABLE = "BACKUP_OPTIMIZER_STATE"
_OWNER_ONLY_FOLDER = 0o700


class CountedWrite(StrictModel):
    """A write that counts towards a limit of Azure, whether or not it took place in the end.

    Parameters
    ----------
    at
        When it was begun.
    vault_id
        In which vault, lower case.
    kind
        ``policy``: created or edited; ``item``: assigned.
    key
        Which write of which journal it was.
    """

    at: UtcDatetime
    vault_id: str
    kind: Literal["policy", "item"] = "policy"
    key: str = ""


def state_folder() -> Path:
    """Where this user's runs keep ledger and locks: ``BACKUP_OPTIMIZER_STATE``, else the system's usual place."""
    given = os.environ.get(STATE_VARIABLE)
    if given:
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_state_dir("backup-optimizer", appauthor=False))


class Ledger:
    """The writes that count towards Azure's limits per 24 hours; kept on disk.

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

        self._file = folder / "writes.jsonl"
        self._writes: list[CountedWrite] = []
        self._read_to = 0
        with translate_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=_OWNER_ONLY_FOLDER)
        self._lock = filelock.FileLock(folder / "writes.lock", mode=0o600)

    def since(self, moment: datetime, kind: Literal["policy", "item"] = "policy") -> tuple[CountedWrite, ...]:
        """Writes of a kind after a moment, oldest first."""
        self._catch_up()
        return tuple(write for write in self._writes if write.at > moment and write.kind == kind)

    def add(self, write: CountedWrite) -> None:
        """Count a write, durably, before it is sent.

        Raises
        ------
        EstateError
            The file cannot be written.
        """
        with translate_write_errors(self._file), self._lock:
            descriptor = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                os.write(descriptor, b"\n" * torn + write.model_dump_json().encode() + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _catch_up(self) -> None:
        """Read what was added since the last look, by this process or another."""
        size = self._file.stat().st_size if self._file.exists() else 0
        if size == self._read_to:
            return
        with self._file.open("rb") as file:
            file.seek(self._read_to)
            lines = file.read().split(b"\n")
        self._read_to = size - len(lines[-1])
        for line in lines[:-1]:
            try:
                self._writes.append(CountedWrite.model_validate_json(line))
            except ValidationError:
                continue  # the end of a line that a crash cut off: that write was never sent
        self._writes.sort(key=lambda write: write.at)


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
                        "until it has ended, then go on with --resume"
                    ) from exc
            stack.callback(lock.release)
        yield
