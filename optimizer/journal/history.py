"""VMs that were moved in earlier months, and when, according to journals and plans."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path

from optimizer.documents import HistorySource, read_plan
from optimizer.errors import DataError, JournalError
from optimizer.journal.records import Record, RunRecord, is_journal, read_journal, rollback_journal_path
from optimizer.journal.state import state_of
from optimizer.model.arm_id import ArmId
from optimizer.model.inventory import Inventory
from optimizer.model.timegrid import format_start

JOURNALS = ("*.journal.jsonl", "*.rollback.jsonl")
"""Files of a folder that count as its history. Plans are left out, because they may never have been applied."""


@dataclass(frozen=True, slots=True)
class _Journal:
    """One journal: the plan it belongs to, whether it is a rollback, and its records."""

    plan: str
    is_rollback: bool
    records: Sequence[Record]

    def moved_on(self) -> dict[ArmId, date]:
        """Day (UTC) on which each VM got its new start, by VM id."""
        return {vm: at.astimezone(UTC).date() for vm, at in state_of(self.records).moved_at().items()}


@dataclass(frozen=True, slots=True)
class EarlierMoves:
    """Moves that one journal or plan reports.

    Parameters
    ----------
    path, is_plan
        Path of the source, and whether it is a plan.
    moves
        Number of VMs that the journal moved, or that the plan was to move.
    in_force
        Day (UTC) of each of these moves that is still in force, by VM id.
    before
        The same for earlier moves that a plan took into account.
    """

    path: Path
    is_plan: bool
    moves: int
    in_force: Mapping[ArmId, date]
    before: Mapping[ArmId, date]

    def last(self) -> dict[ArmId, date]:
        """Day (UTC) of the last move of each VM, by VM id."""
        return {**self.before, **self.in_force}

    def summed_up(self, is_recent: Callable[[date], bool]) -> HistorySource:
        """Summary in numbers, as a plan stores it."""
        return HistorySource(
            file=self.path.name,
            kind="plan" if self.is_plan else "journal",
            moves=self.moves,
            in_force=len(self.in_force),
            known_before=len(self.before.keys() - self.in_force.keys()),
            recent=sum(map(is_recent, self.last().values())),
        )


def last_moves(sources: Iterable[EarlierMoves]) -> dict[ArmId, date]:
    """Day (UTC) of the last move of each VM in any of the sources, by VM id."""
    last: dict[ArmId, date] = {}
    for source in sources:
        for vm, day in source.last().items():
            last[vm] = max(day, last.get(vm, day))
    return dict(sorted(last.items()))


def read_history(sources: str | Path | Iterable[str | Path], inventory: Inventory) -> tuple[EarlierMoves, ...]:
    """Moves that journals and plans report, each on its own, for VMs that the estate contains.

    In a journal, the writes count that were made and that no rollback has undone; the rollback's journal is looked for
    next to it. In a plan, two kinds of VMs count: those that start today when the plan wanted them to, on the day for
    which the plan was made (nothing records when it was applied), and those that the plan itself counted as moved.

    Parameters
    ----------
    sources
        Journals, plans, or folders with journals: one, or several.
    inventory
        Estate of today.

    Raises
    ------
    DataError
        A source does not exist, or a folder contains no journal.
    JournalError
        A journal cannot be read, or is the journal of a rehearsal.
    PlanFormatError
        A file is neither a journal nor a valid plan.
    """
    starts = {item.vm_id: format_start(inventory.policy(item).start) for item in inventory.items}
    several = (sources,) if isinstance(sources, str | Path) else sources
    files = list(_files(map(Path, several)))
    journals = _journals(path for path in files if is_journal(path))
    rolled_back: dict[str, set[ArmId]] = {}
    for journal in journals.values():
        if journal.is_rollback:
            rolled_back.setdefault(journal.plan, set()).update(journal.moved_on())
    applied = {path: journal for path, journal in journals.items() if not journal.is_rollback}
    return (
        *(
            _of_journal(path, journal, rolled_back.get(journal.plan, set()), starts)
            for path, journal in applied.items()
        ),
        *(_of_plan(path, starts) for path in files if not is_journal(path)),
    )


def _journals(paths: Iterable[Path]) -> dict[Path, _Journal]:
    """Journals by path, with the journals of their rollbacks."""
    journals: dict[Path, _Journal] = {}
    for path in paths:
        journals[path.resolve()] = _read(path)
        back = rollback_journal_path(path)
        if back != path and back.exists():
            journals[back.resolve()] = _read(back)
    return journals


def _of_journal(path: Path, journal: _Journal, back: Collection[ArmId], known: Collection[ArmId]) -> EarlierMoves:
    moved = journal.moved_on()
    holds = {vm: day for vm, day in moved.items() if vm in known and vm not in back}
    return EarlierMoves(path, is_plan=False, moves=len(moved), in_force=holds, before={})


def _of_plan(path: Path, starts: Mapping[ArmId, str]) -> EarlierMoves:
    plan = read_plan(path)
    made_for = plan.estate.as_of.astimezone(UTC).date()
    wanted = {entry.vm: entry.start for entry in plan.schedule if entry.start != entry.start_today}
    before = dict(plan.settings.recently_moved)
    return EarlierMoves(
        path,
        is_plan=True,
        moves=len(wanted),
        in_force={vm: made_for for vm, start in wanted.items() if starts.get(vm) == start},
        before={vm: day for vm, day in before.items() if vm in starts},
    )


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
        journals = sorted(file for pattern in JOURNALS for file in path.glob(pattern))
        if not journals:
            raise DataError(
                f"{path}: holds no journal (*.journal.jsonl); give the folder in which 'apply' was run, or a file"
            )
        yield from journals


def _read(path: Path) -> _Journal:
    records = read_journal(path)
    first = records[0]
    assert isinstance(first, RunRecord)  # read_journal refuses anything else, and is_journal an empty file
    if first.command == "rehearse":
        raise JournalError(
            f"{path}: is the journal of a rehearsal, which moved nothing in Azure; give that of an 'apply'"
        )
    return _Journal(first.plan_fingerprint, first.command == "rollback", records)
