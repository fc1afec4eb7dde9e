"""Journal of an ``apply`` or a rollback: JSON lines that are on disk before anything is written to Azure.

Each line is one record. A write has an ``intent`` line before its request is sent, and a ``done``, ``failed`` or
``skipped`` line after it. An ``accepted`` line in between holds the operation with which the service carries the
write out. The outcome of a write with an intent but no end is unknown; a run that resumes looks it up first. A write
that was already in place has a ``done`` line without an intent. A line that a crash cut off does not count, and is
removed when the journal is opened again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from optimizer.errors import ApplyError, JournalError
from optimizer.files import sync_folder, translate_write_errors
from optimizer.model.arm_id import ArmId
from optimizer.model.clock import Stopped
from optimizer.model.faults import describe_faults
from optimizer.model.raw import parse_json
from optimizer.model.strict import StrictModel, UtcDatetime
from optimizer.ports import Resource

WriteKind = Literal["create_policy", "edit_policy", "reassign_item", "delete_policy"]
"""Kinds of writes to Azure."""

JOURNAL_SCHEMA_VERSION: Final = 1
_OWNER_ONLY = 0o600

UNKNOWABLE = timedelta(hours=24)
"""Age after which a request has no effect any more if its outcome cannot be learned and no effect shows."""


class RunRecord(StrictModel):
    """The beginning of a run: its user, time, plan and approval.

    Parameters
    ----------
    run
        1 for the first run of a journal, 2 for its first resumption ...
    command
        ``apply`` or ``rollback``.
    plan_fingerprint
        Of the plan; a journal belongs to one plan.
    plan
        Path of the plan, as it was given.
    who
        User and machine.
    approved_by, ticket
        As they were given; empty where not.
    options
        What narrowed the run down: ``only``, ``max_moves``, ``wave`` ...
    """

    record: Literal["run"] = "run"
    schema_version: Literal[1] = JOURNAL_SCHEMA_VERSION
    run: int
    command: Literal["apply", "rollback", "rehearse"]
    at: UtcDatetime
    plan_fingerprint: str
    plan: str
    who: str
    program: str
    approved_by: str = ""
    ticket: str = ""
    options: dict[str, Any] = Field(default_factory=dict)


class IntentRecord(StrictModel):
    """A write that is about to be sent.

    Parameters
    ----------
    before
        The object as it was read just before, whole; None where there was none.
    body
        The properties that are sent; None for a deletion.
    vms
        VMs whose start changes by it.
    """

    record: Literal["intent"] = "intent"
    number: int
    at: UtcDatetime
    kind: WriteKind
    vault_id: ArmId
    object_id: ArmId
    name: str
    vms: tuple[ArmId, ...] = ()
    before: Resource | None
    body: dict[str, Any] | None


class AcceptedRecord(StrictModel):
    """A write that the service accepted and carries out later; it is never sent again while this may go on.

    Parameters
    ----------
    operation
        Path and query at which the operation can be looked at; empty where the service did not say.
    """

    record: Literal["accepted"] = "accepted"
    number: int
    at: UtcDatetime
    operation: str


class DoneRecord(StrictModel):
    """A write that took place.

    Parameters
    ----------
    after
        The object as it was read afterwards; None after a deletion.
    how
        ``written``: the service confirmed it. ``found``: the object was already as planned when it was read. If the
        outcome of an intent was unknown then, this journal's own request took effect after an interruption; otherwise
        (no intent, or the service had turned the request away) somebody else made the change, and a rollback leaves it
        alone.
    """

    record: Literal["done"] = "done"
    number: int
    at: UtcDatetime
    how: Literal["written", "found"]
    after: Resource | None


class FailedRecord(StrictModel):
    """A write that the service refused; nothing was changed by it.

    Parameters
    ----------
    lost
        Whether no answer says so: the request showed no effect for so long that it may be sent again.
    locked
        Whether the service refused it because another operation on the object was in progress.
    """

    record: Literal["failed"] = "failed"
    number: int
    at: UtcDatetime
    error: str
    code: str = ""
    lost: bool = False
    locked: bool = False


class SkippedRecord(StrictModel):
    """A write that was not made, because its object has changed since the plan was made."""

    record: Literal["skipped"] = "skipped"
    number: int
    at: UtcDatetime
    reason: str


class EndRecord(StrictModel):
    """The end of a run that was not killed."""

    record: Literal["end"] = "end"
    at: UtcDatetime
    done: int
    failed: int
    skipped: int
    pending: int


Record = RunRecord | IntentRecord | AcceptedRecord | DoneRecord | FailedRecord | SkippedRecord | EndRecord
_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="record")])


@dataclass(frozen=True, slots=True)
class OpenWrite:
    """A write that was begun and whose end is unknown.

    Parameters
    ----------
    intent
        Record of its beginning.
    accepted
        Record of the service's acceptance; None if no such answer is known.
    locked
        Whether a later request was refused because an operation on the object was in progress, which was probably this
        one.
    """

    intent: IntentRecord
    accepted: AcceptedRecord | None = None
    locked: bool = False


@dataclass
class Unsettled:
    """Writes that a journal began and that may still take effect; follows the journal record by record.

    A request whose answer was lost may take effect long after the journal gave up on it, even if a second request for
    the same object was refused in between. It is settled when the object is found as planned, or when a look after
    :data:`UNKNOWABLE` shows no effect.

    Parameters
    ----------
    open
        Writes without an end in the journal, by number.
    lost
        For each write that has an end but is not settled, by number: the last request whose outcome is unknown.
    """

    open: dict[int, OpenWrite] = field(default_factory=dict)
    lost: dict[int, OpenWrite] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[Record]) -> Unsettled:
        """The writes that these records leave unsettled."""
        found = cls()
        for record in records:
            found.follow(record)
        return found

    @property
    def writes(self) -> dict[int, OpenWrite]:
        """All unsettled writes, by number."""
        return self.lost | self.open

    def follow(self, record: Record) -> None:
        """Process the next record."""
        match record:
            case IntentRecord():
                self.open[record.number] = OpenWrite(record)
            case AcceptedRecord() if record.number in self.open:
                self.open[record.number] = replace(self.open[record.number], accepted=record)
            case DoneRecord():
                self.open.pop(record.number, None)
                self.lost.pop(record.number, None)
            case FailedRecord() | SkippedRecord():
                self._ended_without_effect(record)
            case _:
                pass

    def _ended_without_effect(self, record: FailedRecord | SkippedRecord) -> None:
        number, refused = record.number, isinstance(record, FailedRecord) and not record.lost
        ended = self.open.pop(number, None)
        doubt = self.lost.get(number)
        if ended is not None and not refused:
            doubt = self.lost[number] = replace(ended, locked=doubt is not None and doubt.locked)
        if doubt is None:
            return
        if record.at - doubt.intent.at >= UNKNOWABLE:
            del self.lost[number]
        elif isinstance(record, FailedRecord) and record.locked:
            self.lost[number] = replace(doubt, locked=True)


class Journal:
    """A journal that is open for appending. Each record is on disk when ``append`` returns. Safe for threads.

    Parameters
    ----------
    path
        Path of the file, which is created with the first record if it does not exist.
    write, truncate
        System calls that write to the file and truncate it.

    Raises
    ------
    JournalError
        The file exists but is not a journal.
    """

    def __init__(
        self,
        path: Path,
        *,
        write: Callable[[int, bytes], int] = os.write,
        truncate: Callable[[int, int], None] = os.ftruncate,
    ) -> None:
        self._system_write, self._system_truncate = write, truncate
        self.path = path
        self._lock = threading.Lock()
        self._records = list(read_journal(path)) if path.exists() else []
        self._descriptor: int | None = None
        self._end = 0
        self._unusable = ""
        self._ending = False
        self._unsettled = Unsettled.of(self._records)

    @property
    def records(self) -> Sequence[Record]:
        """Records of the journal, in order."""
        with self._lock:
            return tuple(self._records)

    def append(self, record: Record) -> None:
        """Add a record durably, or leave the file as it was.

        Raises
        ------
        EstateError
            The disk is full or the file cannot be written.
        JournalError
            The journal is closed, or an earlier failure left part of a record that could not be removed.
        Stopped
            The run is ending, and the record would begin another write.
        """
        line = record.model_dump_json().encode() + b"\n"
        with self._lock:
            if self._unusable:
                raise JournalError(f"{self.path}: {self._unusable}")
            if self._ending and isinstance(record, IntentRecord):
                raise Stopped
            with translate_write_errors(self.path):
                self._write(line)
            self._records.append(record)
            self._unsettled.follow(record)

    def begin_no_more(self) -> None:
        """Refuse every further intent, so that no other write is begun; ends of writes are still recorded."""
        with self._lock:
            self._ending = True

    def _write(self, line: bytes) -> None:
        """Write a whole line to disk, or nothing.

        Part of a line must not stay: the next record would continue it, and the journal would be unreadable.
        """
        descriptor = self._descriptor_of()
        written = 0
        try:
            while written < len(line):
                written += self._system_write(descriptor, line[written:])
            os.fsync(descriptor)
        except BaseException:
            self._cut_back(descriptor)
            raise
        self._end += len(line)

    def _cut_back(self, descriptor: int) -> None:
        """Truncate the file to its last whole line; if that fails, nothing more is written to it."""
        try:
            self._system_truncate(descriptor, self._end)
            os.fsync(descriptor)
        except OSError as exc:
            self._unusable = (
                f"a record could be written only in part, and that part cannot be cut away ({exc.strerror}); nothing "
                "more is written to this journal. Make sure that the disk works and has room, then run the command "
                "again with --resume: it cuts the part away and looks in Azure at what was begun"
            )
            raise JournalError(f"{self.path}: {self._unusable}") from exc

    @property
    def open_writes(self) -> Mapping[int, OpenWrite]:
        """Writes that were begun and whose end is unknown, by number."""
        with self._lock:
            return dict(self._unsettled.open)

    @property
    def unsettled(self) -> Mapping[int, OpenWrite]:
        """Writes that may still take effect, by number: open ones, and those whose answer was lost."""
        with self._lock:
            return self._unsettled.writes

    def _descriptor_of(self) -> int:
        """File descriptor; the file is created with the first record, so a run that is called off leaves no file."""
        if self._descriptor is None:
            _cut_torn_line(self.path)
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _OWNER_ONLY)
            self._end = os.fstat(self._descriptor).st_size
            sync_folder(self.path.parent)
        return self._descriptor

    def close(self) -> None:
        """Close the file; no record can be added after that."""
        with self._lock:
            self._unusable = self._unusable or "the journal is closed"
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


def _cut_torn_line(path: Path) -> None:
    """Remove what follows the last line end."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
            file.flush()
            os.fsync(file.fileno())


def read_journal(path: str | Path) -> tuple[Record, ...]:
    """Read the records of a journal; a last line that was cut off is left out.

    Raises
    ------
    JournalError
        The file cannot be read, or contains something other than records.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise JournalError(
            f"{path}: the journal cannot be read ({exc.strerror}); give the file that 'apply' wrote beside the plan"
        ) from exc
    records = []
    lines = content.split(b"\n")[:-1]
    for number, line in enumerate(lines, start=1):
        try:
            records.append(_RECORD.validate_json(line))
        except ValidationError as exc:
            raise JournalError(
                f"{path}, line {number}: not a record of a journal: {describe_faults(exc, line)}; "
                f"{_advice(number, line)}"
            ) from exc
    if lines and not isinstance(records[0], RunRecord):
        raise JournalError(f"{path}: does not begin with a run; give the file that 'apply' or 'rollback' wrote")
    return tuple(records)


def _advice(number: int, line: bytes) -> str:
    """Advice for a line that cannot be read."""
    for cut in _beginnings(line):
        try:
            _RECORD.validate_json(line[cut:])
        except ValidationError:
            continue
        return (
            f"its first {cut} bytes are a record that was cut off, for example by a full disk, and a whole record "
            "follows: keep a copy of the file, delete these bytes, and run the command again; what was begun is "
            "looked up in Azure"
        )
    if number == 1:
        return "give the file that 'apply' or 'rollback' wrote"
    return (
        "restore the file as 'apply' or 'rollback' wrote it, for example from a copy. Without a copy, keep the "
        "damaged file, run 'pull', and make a new plan from what Azure shows"
    )


def _beginnings(line: bytes) -> Iterator[int]:
    """Positions within a line, after its first byte, at which records may begin."""
    cut = line.find(b'{"record":', 1)
    while cut > 0:
        yield cut
        cut = line.find(b'{"record":', cut + 1)


def is_journal(path: Path) -> bool:
    """Whether a file looks like a journal, which is the case if its first line records a run."""
    try:
        with path.open("rb") as file:
            first = parse_json(file.readline(1_000_000))
    except (OSError, ValueError):
        return False
    return isinstance(first, dict) and first.get("record") == "run"


def journal_path(plan_path: Path) -> Path:
    """Path of a plan's journal, which is next to the plan: ``plan.json`` -> ``plan.journal.jsonl``."""
    return plan_path.with_name(plan_path.stem + ".journal.jsonl")


def rollback_journal_path(journal: Path) -> Path:
    """Path of the journal of a rollback: ``plan.journal.jsonl`` -> ``plan.rollback.jsonl``."""
    stem = journal.name.removesuffix(".jsonl").removesuffix(".journal")
    return journal.with_name(stem + ".rollback.jsonl")


def plan_of_journal(journal: Path) -> Path:
    """Path of the plan of a journal: the plan lies next to it.

    Raises
    ------
    ApplyError
        There is no such plan.
    """
    runs = [record for record in read_journal(journal) if isinstance(record, RunRecord)]
    if not runs:
        raise ApplyError(f"{journal}: the journal is empty: no write was made, so there is nothing to take back")
    plan = journal.parent / Path(runs[0].plan).name
    if not plan.exists():
        raise ApplyError(f"{journal}: its plan {plan} does not exist; give its place with --plan")
    return plan
