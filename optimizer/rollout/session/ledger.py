"""State that runs on this machine share: writes of the last days, closed vaults, and locks."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter, ValidationError

from optimizer.errors import BusyError
from optimizer.model.arm_id import ArmId
from optimizer.model.strict import StrictModel, UtcDatetime
from optimizer.ports import BackupCloud
from optimizer.rollout.calendar.budget import LedgerCounts
from optimizer.rollout.session.state_files import (
    STATE_VARIABLE,
    access_to_files,
    explain_access,
    holder_of,
    make_named_folder,
    make_part,
    make_state_folder,
    open_shared,
    require_torn,
    share,
    sign,
)

if TYPE_CHECKING:
    from filelock import FileLock

BUDGET_PERIOD = timedelta(hours=24)
"""Period over which Azure counts policy writes (Azure Backup FAQ, 2025-12-30)."""

_LOCK_SECONDS = 60.0
"""Maximum wait for another process that adds a line, which takes milliseconds."""


class CountedWrite(StrictModel):
    """A write that counts toward a limit of Azure, whether or not it took place in the end.

    Parameters
    ----------
    at
        When it was begun; later where Azure may have carried it out later, see :meth:`Ledger.postpone`.
    vault_id
        In which vault, lower case.
    kind
        ``policy``: created or edited; ``item``: assigned.
    key
        The write, and the journal that it belongs to.
    """

    at: UtcDatetime
    vault_id: ArmId
    kind: Literal["policy", "item"] = "policy"
    key: str = ""


class ReturnedWrite(StrictModel):
    """A counted write that the service turned away before it was carried out: it no longer counts.

    Parameters
    ----------
    returned_key, returned_at
        Key and time of the counted write.
    """

    returned_key: str
    returned_at: UtcDatetime


class Closure(StrictModel):
    """A place that the service asked to stay away from.

    Parameters
    ----------
    place
        Id of a vault in lower case, or of a subscription (``/subscriptions/...``).
    closed_until
        When it may be asked again.
    reason
        What the service said.
    """

    place: ArmId
    closed_until: UtcDatetime
    reason: str = ""

    def covers(self, vault_id: ArmId) -> bool:
        """Whether a vault is this place, or is in this subscription."""
        return vault_id == self.place or vault_id.is_below(self.place)


_LINE: TypeAdapter[CountedWrite | ReturnedWrite | Closure] = TypeAdapter(CountedWrite | ReturnedWrite | Closure)


def ledger_folder(cloud: BackupCloud) -> Path:
    """Folder of the ledger and the locks of a cloud.

    Each emulator has a folder of its own, so that its writes never count toward the budget of the vaults it imitates.

    Raises
    ------
    EstateError
        The folder that ``BACKUP_OPTIMIZER_STATE`` names cannot be created or used.
    """
    folder = cloud.state_folder or state_folder()
    return folder / "emulators" / cloud.emulator if cloud.emulator else folder


def state_folder(variables: Mapping[str, str] = os.environ) -> Path:
    """Folder for ledger and locks: ``BACKUP_OPTIMIZER_STATE``, or by default the usual place for this user.

    Parameters
    ----------
    variables
        Environment variables.

    Raises
    ------
    EstateError
        The folder that the variable names cannot be created or used.
    """
    if given := variables.get(STATE_VARIABLE):
        make_named_folder(Path(given))
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_state_dir("backup-optimizer", appauthor=False))


class Ledger:
    """Writes that count toward Azure's limits per 24 hours, and vaults or subscriptions that are closed; kept on disk.

    Safe to share among threads and processes.

    Parameters
    ----------
    folder
        Folder of the ledger and the locks, which is created if it does not exist.

    Raises
    ------
    EstateError
        The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        import filelock

        self._file = folder / "writes.jsonl"
        self._writes: list[CountedWrite] = []
        self._closures: list[Closure] = []
        self._read_to = 0
        self._reading = threading.Lock()
        self.folder = folder
        make_state_folder(folder)
        lock_file = folder / "writes.lock"
        self._lock = filelock.FileLock(lock_file, timeout=_LOCK_SECONDS, mode=access_to_files(folder))
        for file in (self._file, lock_file):
            share(file, folder)

    def since(self, moment: datetime, kind: Literal["policy", "item"] = "policy") -> tuple[CountedWrite, ...]:
        """Writes of a kind after a moment, oldest first."""
        with self._reading:
            self._catch_up()
            return tuple(write for write in self._writes if write.at > moment and write.kind == kind)

    def closed(self, vault_id: str, now: datetime) -> Closure | None:
        """Closure that keeps a vault closed the longest; None if the vault is open now."""
        with self._reading:
            self._catch_up()
            closures = [
                closure for closure in self._closures if closure.closed_until > now and closure.covers(ArmId(vault_id))
            ]
        return max(closures, key=lambda closure: closure.closed_until, default=None)

    def counted(self, vault_ids: Iterable[str], now: datetime) -> LedgerCounts:
        """Writes of the last 24 hours, and until when each of the given vaults is closed."""
        since = now - BUDGET_PERIOD
        closed = {ArmId(vault_id): self.closed(vault_id, now) for vault_id in vault_ids}
        return LedgerCounts(
            policy_writes=tuple((write.at, write.vault_id) for write in self.since(since)),
            item_writes=tuple((write.at, write.vault_id) for write in self.since(since, "item")),
            closed_until={vault: closure.closed_until for vault, closure in closed.items() if closure is not None},
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other threads and processes from adding lines, so that reading the ledger and :meth:`add` are one step.

        Without this, two runs that share a budget could both use its last write.

        Raises
        ------
        BusyError
            Another process holds the file for too long.
        EstateError
            The file cannot be used.
        """
        with explain_access(self._file, self.folder), _patiently(self._lock):
            yield

    def add(self, write: CountedWrite) -> None:
        """Count a write durably, before it is sent.

        Raises
        ------
        EstateError
            The file cannot be written.
        """
        self._append(write)

    def give_back(self, write: CountedWrite) -> None:
        """Stop counting a write that the service turned away; see :meth:`add` for errors."""
        self._append(ReturnedWrite(returned_key=write.key, returned_at=write.at))

    def postpone(self, key: str, at: datetime) -> None:
        """Count a write from a later time, at which Azure may have carried it out; see :meth:`add` for errors.

        Parameters
        ----------
        key
            Key of the write. The last write that was counted with this key is meant.
        at
            Latest time at which the write can have taken effect.
        """
        with self._reading:
            self._catch_up()
            counted = next((write for write in reversed(self._writes) if write.key == key), None)
        if counted is not None and counted.at < at:
            self._append(counted.model_copy(update={"at": at}))  # first: a crash in between counts it twice, not never
            self.give_back(counted)

    def close(self, place: str, until: datetime, reason: str) -> None:
        """Record, for later runs too, that the service asked to stay away from a vault or a subscription.

        Parameters
        ----------
        place
            Id of a vault, or of a subscription (``/subscriptions/...``).
        until
            Time from which requests may be sent again.
        reason
            Message of the service.

        Raises
        ------
        EstateError
            The file cannot be written.
        """
        self._append(Closure(place=ArmId(ArmId(place).key), closed_until=until, reason=reason))

    def _append(self, line: CountedWrite | ReturnedWrite | Closure) -> None:
        with self.alone():
            descriptor = open_shared(self._file, self.folder)
            try:
                size = os.fstat(descriptor).st_size
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                os.write(descriptor, b"\n" * torn + line.model_dump_json().encode() + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _catch_up(self) -> None:
        """Read the lines that were added since the last look, by this process or another."""
        with explain_access(self._file, self.folder):
            size = self._file.stat().st_size if self._file.exists() else 0
            if size == self._read_to:
                return
            with self._file.open("rb") as file:
                file.seek(self._read_to)
                lines = file.read(size - self._read_to).split(b"\n")
        self._read_to = size - len(lines[-1])
        for line in lines[:-1]:
            try:
                self._take(_LINE.validate_json(line))
            except ValidationError:
                require_torn(line, self._file)
                continue  # end of a line that a crash cut off: that write was never sent
        self._writes.sort(key=lambda write: write.at)

    def _take(self, line: CountedWrite | ReturnedWrite | Closure) -> None:
        match line:
            case CountedWrite():
                self._writes.append(line)
            case Closure():
                self._closures.append(line)
            case ReturnedWrite():
                returned = (line.returned_key, line.returned_at)
                self._writes = [write for write in self._writes if (write.key, write.at) != returned]


@contextmanager
def hold_locks(folder: Path, journal: Path, vault_ids: Iterable[str]) -> Iterator[None]:
    """Keep all other runs on this machine away from a journal and from vaults; the locks end with the process.

    Parameters
    ----------
    folder
        State folder.
    journal
        Journal that the run writes.
    vault_ids
        Vaults that the run writes to.

    Raises
    ------
    BusyError
        Another run holds one of the locks.
    """
    import filelock

    make_state_folder(folder)
    locks = make_part(folder, "locks")
    places = {f"journal {journal}": journal.with_name(journal.name + ".lock")}
    for vault_id in sorted(set(map(ArmId, vault_ids))):
        name = hashlib.sha256(vault_id.key.encode()).hexdigest()[:24]
        places[f"vault {vault_id.name}"] = locks / f"{name}.lock"
    with ExitStack() as stack:
        for what, place in places.items():
            home = locks if place.parent == locks else None
            lock = filelock.FileLock(place, timeout=0, mode=0o600 if home is None else access_to_files(home))
            with explain_access(place, folder if home is not None else place.parent, shared=home is not None):
                try:
                    lock.acquire()
                except filelock.Timeout as exc:
                    raise BusyError(
                        f"{what}: another apply or rollback{holder_of(place)} is at work on it on this machine (lock "
                        f"{place}); wait until it has ended, then go on with --resume"
                    ) from exc
                stack.callback(lock.release)
                if home is not None:
                    share(place, home)
                sign(place)
        yield


@contextmanager
def _patiently(lock: FileLock) -> Iterator[None]:
    """Hold a lock that other processes hold only for moments.

    Raises
    ------
    BusyError
        A process holds it for longer, so it probably hangs.
    """
    import filelock

    try:
        lock.acquire()
    except filelock.Timeout as exc:
        raise BusyError(
            f"{lock.lock_file}: another process has held this lock for {_LOCK_SECONDS:.0f} s; look for an apply or "
            "rollback that hangs, on this machine or on one that shares the folder"
        ) from exc
    try:
        yield
    finally:
        lock.release()
