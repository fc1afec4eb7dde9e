"""The journal on disk: durable lines, torn ends, who may write."""

from __future__ import annotations

import errno
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from optimizer.errors import EstateError, JournalError
from optimizer.journal import (
    AcceptedRecord,
    DoneRecord,
    EndRecord,
    IntentRecord,
    Journal,
    OpenWrite,
    RunRecord,
    SkippedRecord,
    is_journal,
    journal_path,
    read_journal,
    rollback_journal_path,
    state_of,
)
from optimizer.model.clock import Stopped

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def start(run: int = 1) -> RunRecord:
    return RunRecord(
        run=run, command="apply", at=NOW, plan_fingerprint="sha256:0", plan="plan.json", who="me@here", program="p 1"
    )


def intent(number: int) -> IntentRecord:
    return IntentRecord(
        number=number,
        at=NOW,
        kind="edit_policy",
        vault_id="/v",
        object_id=f"/v/backupPolicies/{number}",
        name=str(number),
        vms=(f"/vm/{number}",),
        before={"id": "x", "properties": {"new": {"field": 1}}},
        body={"timeZone": "UTC"},
    )


def test_records_survive_a_round_trip(tmp_path: Path) -> None:
    """What is appended is read back equal, unknown fields of resources included."""
    path = tmp_path / "plan.journal.jsonl"
    journal = Journal(path)
    records = [
        start(),
        intent(1),
        DoneRecord(number=1, at=NOW, how="written", after={"id": "x", "properties": {}}),
        SkippedRecord(number=2, at=NOW, reason="because"),
        EndRecord(at=NOW, done=1, failed=0, skipped=1, pending=0),
    ]
    for record in records:
        journal.append(record)
    journal.close()
    assert list(read_journal(path)) == records
    assert is_journal(path)


def test_a_line_that_a_crash_cut_off_never_counted(tmp_path: Path) -> None:
    """A torn last line is left out when read and cut away before the next record is added."""
    path = tmp_path / "plan.journal.jsonl"
    journal = Journal(path)
    journal.append(start())
    journal.append(intent(1))
    journal.close()
    whole = path.read_bytes()
    for cut in range(len(whole) - 1, whole.index(b"\n"), -7):
        path.write_bytes(whole[:cut])
        assert list(read_journal(path)) == [start()]
        again = Journal(path)
        again.append(start(2))
        again.close()
        assert list(read_journal(path)) == [start(), start(2)]


def test_a_journal_is_made_with_its_first_record_and_for_its_owner(tmp_path: Path) -> None:
    """A run that is called off leaves no file; one that writes leaves a file that only its owner can read."""
    path = tmp_path / "plan.journal.jsonl"
    journal = Journal(path)
    assert not path.exists()
    journal.append(start())
    journal.close()
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["{}\n", "no json\n", '{"record": "done"}\n', "[1]\n"])
def test_another_file_is_no_journal(tmp_path: Path, content: str) -> None:
    """A file of something else is refused with its place and what to give instead."""
    path = tmp_path / "other.jsonl"
    path.write_text(content)
    with pytest.raises(JournalError, match=r"line 1.*give the file"):
        read_journal(path)
    assert not is_journal(path)


def test_a_missing_journal_is_said(tmp_path: Path) -> None:
    """A journal that is not there is no traceback."""
    with pytest.raises(JournalError, match="cannot be read"):
        read_journal(tmp_path / "none")


def test_an_intent_without_an_end_is_open(tmp_path: Path) -> None:
    """Only a write that was begun and not ended is open; a second intent opens it again."""
    del tmp_path
    done = DoneRecord(number=1, at=NOW, how="found", after=None)
    assert state_of([start(), intent(1), intent(2), done]).open == {2}
    assert state_of([start(), intent(1), done, intent(1)]).open == {1}
    assert state_of([start(), intent(1), done]).moved_at() == {"/vm/1": NOW}


def test_an_accepted_write_keeps_its_operation_until_it_ends(tmp_path: Path) -> None:
    """The operation belongs to the last intent, survives a reopening, and is gone with the end."""
    path = tmp_path / "plan.journal.jsonl"
    journal = Journal(path)
    operation = "/subscriptions/s/operations/1"
    accepted = AcceptedRecord(number=1, at=NOW, operation=operation)
    for record in (start(), intent(1), accepted, intent(2)):
        journal.append(record)
    assert journal.open_writes == {1: OpenWrite(intent(1), accepted), 2: OpenWrite(intent(2))}
    journal.close()
    assert Journal(path).open_writes == journal.open_writes
    journal = Journal(path)
    journal.append(intent(1))
    assert journal.open_writes[1].accepted is None  # it is another request
    journal.append(DoneRecord(number=1, at=NOW, how="written", after=None))
    assert set(journal.open_writes) == {2}
    assert state_of(journal.records).open == {2}


def test_names_of_journals_follow_the_plan() -> None:
    """Journal and rollback journal lie beside the plan and carry its name."""
    journal = journal_path(Path("x/plan.json"))
    assert journal == Path("x/plan.journal.jsonl")
    assert rollback_journal_path(journal) == Path("x/plan.rollback.jsonl")


class FailingDisk:
    """The system calls of a journal, on a disk that stores half a record once and then is full.

    Parameters
    ----------
    fatal
        Number of the write that is cut short, from 1.
    can_cut
        Whether the file can be cut back afterwards.
    """

    def __init__(self, fatal: int, *, can_cut: bool = True) -> None:
        self._writes, self._fatal, self._can_cut = 0, fatal, can_cut

    def write(self, descriptor: int, data: bytes) -> int:
        """Write, or half of it, or nothing."""
        self._writes += 1
        if self._writes == self._fatal:
            return os.write(descriptor, data[: len(data) // 2])
        if self._writes == self._fatal + 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(descriptor, data)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file back."""
        if not self._can_cut:
            raise OSError(errno.EIO, "Input/output error")
        os.ftruncate(descriptor, size)


@pytest.mark.parametrize("fatal", [1, 2, 3])
def test_a_record_that_is_written_in_part_leaves_nothing(tmp_path: Path, fatal: int) -> None:
    """After a short write and a full disk the journal holds whole records only, also those that others add later."""
    path, disk = tmp_path / "plan.journal.jsonl", FailingDisk(fatal)
    journal = Journal(path, write=disk.write, truncate=disk.truncate)
    wanted = [start(), intent(1), intent(2), intent(3)]
    for number, record in enumerate(wanted, start=1):
        if number == fatal:
            before = path.read_bytes() if path.exists() else b""
            with pytest.raises(EstateError, match=r"full.*what was there before is unchanged"):
                journal.append(record)
            assert path.read_bytes() == before
        if number != fatal or fatal == 1:  # without its first record a file is no journal
            journal.append(record)
    journal.close()
    assert list(read_journal(path)) == [r for n, r in enumerate(wanted, start=1) if n != fatal or fatal == 1]
    assert list(journal.records) == list(read_journal(path))


def test_a_part_that_cannot_be_cut_away_ends_the_writing(tmp_path: Path) -> None:
    """Where the file cannot be cut back, nothing is added to it until another process opens it."""
    path, disk = tmp_path / "plan.journal.jsonl", FailingDisk(2, can_cut=False)
    journal = Journal(path, write=disk.write, truncate=disk.truncate)
    journal.append(start())
    for record in (intent(1), intent(2), EndRecord(at=NOW, done=0, failed=0, skipped=0, pending=2)):
        with pytest.raises(JournalError, match=r"cannot be cut away.*--resume"):
            journal.append(record)
    journal.close()
    assert list(read_journal(path)) == [start()]
    again = Journal(path)
    again.append(intent(2))
    again.close()
    assert list(read_journal(path)) == [start(), intent(2)]


def test_a_damaged_line_comes_with_what_to_do(tmp_path: Path) -> None:
    """A whole record behind a torn one can be saved by hand; anything else has to come from a copy."""
    path = tmp_path / "plan.journal.jsonl"
    torn, whole = intent(1).model_dump_json()[:77], intent(2).model_dump_json()
    first = start().model_dump_json()
    path.write_text(f"{first}\n{torn}{whole}\n")
    with pytest.raises(JournalError, match=r"line 2: .*first 77 bytes are a record that was cut off.*delete these"):
        read_journal(path)
    path.write_text(f"{first}\n{whole}\n")
    assert list(read_journal(path)) == [start(), intent(2)]
    path.write_text(f"{first}\n{torn}\n{whole}\n")
    with pytest.raises(JournalError, match=r"line 2: .*restore the file.*make a new plan"):
        read_journal(path)


def test_an_ending_run_begins_nothing(tmp_path: Path) -> None:
    """Once a run ends, intents are refused while ends of writes are still recorded; a closed journal takes nothing."""
    journal = Journal(tmp_path / "plan.journal.jsonl")
    journal.append(start())
    journal.append(intent(1))
    journal.begin_no_more()
    with pytest.raises(Stopped):
        journal.append(intent(2))
    done = DoneRecord(number=1, at=NOW, how="written", after=None)
    journal.append(done)
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append(done)
    assert list(read_journal(journal.path)) == [start(), intent(1), done]
