"""State of each write according to a journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from optimizer.journal.records import (
    DoneRecord,
    FailedRecord,
    IntentRecord,
    OpenWrite,
    Record,
    SkippedRecord,
    Unsettled,
)
from optimizer.model.arm_id import ArmId

Ended = DoneRecord | FailedRecord | SkippedRecord
EndT = TypeVar("EndT", DoneRecord, FailedRecord, SkippedRecord)

_FOUND_BY_OLDER_VERSIONS = "it was as planned before anything was written"
"""Reason in the ``skipped`` record that older versions wrote for objects that they found in place."""


@dataclass(frozen=True, slots=True)
class JournalState:
    """Result of each write, by its number.

    Parameters
    ----------
    intents
        Last intent of each write that was begun.
    done, failed, skipped
        Last end of each write.
    ours
        Done writes that a run of this journal made itself. Either the service confirmed the write, or a request with
        an unknown outcome was not settled when the object was found as planned. If every request was refused, an
        object that is found as planned was changed by somebody else.
    unsettled
        Writes that are not done and may still take effect, by number: those without an end, and those whose answer was
        lost.
    """

    intents: Mapping[int, IntentRecord]
    done: Mapping[int, DoneRecord]
    failed: Mapping[int, FailedRecord]
    skipped: Mapping[int, SkippedRecord]
    ours: frozenset[int]
    unsettled: Mapping[int, OpenWrite]

    @property
    def open(self) -> frozenset[int]:
        """Writes that were begun and whose end is unknown."""
        return frozenset(self.intents) - frozenset(self.done) - frozenset(self.failed) - frozenset(self.skipped)

    @property
    def found(self) -> frozenset[int]:
        """Writes whose result somebody else made. They are done, but a rollback must not undo them."""
        return frozenset(self.done) - self.ours

    def moved_at(self) -> dict[ArmId, datetime]:
        """When each VM got its new start, by VM id."""
        return {
            vm: record.at
            for number, record in self.done.items()
            if number in self.ours and number in self.intents
            for vm in self.intents[number].vms
        }


def state_of(records: Iterable[Record]) -> JournalState:
    """Result of each write of a journal; later records replace earlier ones."""
    intents: dict[int, IntentRecord] = {}
    ends: dict[int, Ended] = {}
    unsettled = Unsettled()
    ours: set[int] = set()
    for record in map(_as_today, records):
        match record:
            case IntentRecord():
                intents[record.number] = record
                ends.pop(record.number, None)
            case DoneRecord() | FailedRecord() | SkippedRecord():
                ends[record.number] = record
                if _is_ours(record, unsettled):
                    ours.add(record.number)
        unsettled.follow(record)
    done = _of_kind(ends, DoneRecord)
    return JournalState(
        intents,
        done,
        _of_kind(ends, FailedRecord),
        _of_kind(ends, SkippedRecord),
        frozenset(ours & done.keys()),
        unsettled.writes,
    )


def _is_ours(record: Ended, unsettled: Unsettled) -> bool:
    """Whether a request of this journal made the write that a record ends."""
    return isinstance(record, DoneRecord) and (record.how == "written" or record.number in unsettled.writes)


def _of_kind(ends: Mapping[int, Ended], kind: type[EndT]) -> dict[int, EndT]:
    """Writes whose last end is of one kind."""
    return {number: end for number, end in ends.items() if isinstance(end, kind)}


def _as_today(record: Record) -> Record:
    """Record of an older version in the form in which this version would have written it."""
    if isinstance(record, SkippedRecord) and record.reason == _FOUND_BY_OLDER_VERSIONS:
        return DoneRecord(number=record.number, at=record.at, how="found", after=None)
    return record
