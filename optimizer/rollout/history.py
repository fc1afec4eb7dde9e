"""Which VMs were moved, and when, out of journals and plans of earlier months."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path

from optimizer.errors import DataError
from optimizer.model.inventory import Inventory
from optimizer.model.timegrid import format_start
from optimizer.plan.store import read_plan
from optimizer.rollout.errors import JournalError
from optimizer.rollout.journal import Record, RunRecord, is_journal, read_journal, rollback_journal_path
from optimizer.rollout.progress import state_of

JOURNALS = ("*.journal.jsonl", "*.rollback.jsonl")
"""Files of a folder that are its history; a plan in it may never have been applied."""


@dataclass(frozen=True, slots=True)
class _Journal:
    """One journal: the plan that it belongs to, whether it takes back, its records."""

    plan: str
    is_rollback: bool
    records: Sequence[Record]

    def moved_on(self) -> dict[str, date]:
        """Day (UTC) on which each VM got its new start, by ``vm_id.lower()``."""
        return {vm: at.astimezone(UTC).date() for vm, at in state_of(self.records).moved_at().items()}


def last_moves(sources: Iterable[Path], inventory: Inventory) -> dict[str, date]:
    """Day of the last move of each VM that the sources know of, by ``vm_id.lower()``.

    Of a journal count the writes that were made and that no rollback has taken back; the rollback's journal is found
    beside it.  Of a plan count the VMs that start today when the plan wanted them to, on the day for which it was
    made, as nothing says when it was applied, and those that the plan itself took for moved.

    Parameters
    ----------
    sources
        Journals, plans, or folders with journals.
    inventory
        The estate of today; only its VMs are returned.

    Raises
    ------
    DataError
        A source is not there, or a folder has no journal.
    JournalError
        A journal cannot be read, or is that of a rehearsal.
    PlanFormatError
        A file is neither a journal nor a sound plan.
    """
    journals: dict[Path, _Journal] = {}
    moves: list[Mapping[str, date]] = []
    for path in _files(sources):
        if is_journal(path):
            for file in (path, rollback_journal_path(path)):
                if file == path or file.exists():
                    journals[file.resolve()] = _read(file)
        else:
            moves.append(_moves_of_plan(path, inventory))
    returned: dict[str, set[str]] = {}
    for journal in journals.values():
        if journal.is_rollback:
            returned.setdefault(journal.plan, set()).update(journal.moved_on())
    for journal in journals.values():
        if not journal.is_rollback:
            back = returned.get(journal.plan, set())
            moves.append({vm: day for vm, day in journal.moved_on().items() if vm not in back})
    known = {item.vm_id.lower() for item in inventory.items}
    last: dict[str, date] = {}
    for vm, day in (pair for found in moves for pair in found.items()):
        if vm in known:
            last[vm] = max(day, last.get(vm, day))
    return dict(sorted(last.items()))


def _files(sources: Iterable[Path]) -> Iterator[Path]:
    for path in sources:
        if not path.is_dir():
            if not path.exists():
                raise DataError(
                    f"{path}: there is no such file; give the journal of an 'apply', a plan that was applied, or a "
                    "folder with journals"
                )
            yield path
            continue
        found = sorted(file for pattern in JOURNALS for file in path.glob(pattern))
        if not found:
            raise DataError(
                f"{path}: holds no journal (*.journal.jsonl); give the folder in which 'apply' was run, or a file"
            )
        yield from found


def _read(path: Path) -> _Journal:
    records = read_journal(path)
    first = records[0]
    assert isinstance(first, RunRecord)  # read_journal refuses all else, and is_journal an empty one
    if first.command == "rehearse":
        raise JournalError(
            f"{path}: is the journal of a rehearsal, which moved nothing in Azure; give that of an 'apply'"
        )
    return _Journal(first.plan_fingerprint, first.command == "rollback", records)


def _moves_of_plan(path: Path, inventory: Inventory) -> dict[str, date]:
    plan = read_plan(path)
    starts = {item.vm_id.lower(): format_start(inventory.policy(item).start) for item in inventory.items}
    moved = {vm.lower(): day for vm, day in plan.settings.recently_moved.items()}
    made_for = plan.estate.as_of.astimezone(UTC).date()
    for entry in plan.schedule:
        if entry.start != entry.start_today and starts.get(entry.vm.lower()) == entry.start:
            moved[entry.vm.lower()] = made_for
    return moved
