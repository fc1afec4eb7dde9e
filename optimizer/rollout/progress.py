"""How far a roll-out is, out of its journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from optimizer.rollout.journal import DoneRecord, FailedRecord, IntentRecord, Record, SkippedRecord

Ended = DoneRecord | FailedRecord | SkippedRecord


@dataclass(frozen=True, slots=True)
class JournalState:
    """What became of each write, by its number.

    Parameters
    ----------
    intents
        The last intent of each write that was begun.
    done, failed, skipped
        How each write ended last.
    """

    intents: Mapping[int, IntentRecord]
    done: Mapping[int, DoneRecord]
    failed: Mapping[int, FailedRecord]
    skipped: Mapping[int, SkippedRecord]

    @property
    def open(self) -> frozenset[int]:
        """Writes that were begun and of whose end nothing is known."""
        return frozenset(self.intents) - frozenset(self.done) - frozenset(self.failed) - frozenset(self.skipped)

    def moved_at(self) -> dict[str, datetime]:
        """When each VM got its new start, by ``vm_id.lower()``."""
        return {
            vm.lower(): record.at
            for number, record in self.done.items()
            if number in self.intents
            for vm in self.intents[number].vms
        }


def state_of(records: Iterable[Record]) -> JournalState:
    """What became of each write of a journal; later records go before earlier ones."""
    intents: dict[int, IntentRecord] = {}
    ends: dict[int, Ended] = {}
    for record in records:
        if isinstance(record, IntentRecord):
            intents[record.number] = record
            ends.pop(record.number, None)
        elif isinstance(record, DoneRecord | FailedRecord | SkippedRecord):
            ends[record.number] = record
    return JournalState(
        intents,
        {n: end for n, end in ends.items() if isinstance(end, DoneRecord)},
        {n: end for n, end in ends.items() if isinstance(end, FailedRecord)},
        {n: end for n, end in ends.items() if isinstance(end, SkippedRecord)},
    )
