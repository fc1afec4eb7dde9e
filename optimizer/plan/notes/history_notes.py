"""Notes on VMs moved in earlier months, according to journals and plans, and on the cost of moving them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optimizer.documents import HistorySource
from optimizer.model.phrases import counted
from optimizer.model.rules import Prices


def notes_on_history(history: Sequence[HistorySource]) -> Iterator[str]:
    """Yield notes on all journals together and on each plan: which moves are in force, and which are recent."""
    journals = [source for source in history if source.kind == "journal"]
    if journals:
        yield _of_journals(journals)
    yield from (_of_plan(source) for source in history if source.kind == "plan")


def notes_on_recent_moves(count: int, prices: Prices) -> Iterator[str]:
    """Yield a note on the VMs that were moved recently, which cost more to move again."""
    if count:
        yield (
            f"{counted(count, 'VM was', 'VMs were')} moved in the {prices.recent_days} days before the estate was "
            f"taken: to move one again costs {prices.move_again:g} instead of {prices.move:g}"
        )


def _of_journals(journals: Sequence[HistorySource]) -> str:
    name = journals[0].file if len(journals) == 1 else f"{len(journals)} journals"
    moves = sum(journal.moves for journal in journals)
    if not moves:
        return f"history: {name}: no move was made yet"
    in_force = sum(journal.in_force for journal in journals)
    return (
        f"history: {in_force} of the {moves} moves of {name} are in force; "
        f"{_recent(sum(journal.recent for journal in journals))}"
    )


def _of_plan(plan: HistorySource) -> str:
    applied = "" if plan.in_force or not plan.moves else " (was it applied?)"
    before = f", and it knew of {plan.known_before} earlier" if plan.known_before else ""
    return (
        f"history: {plan.in_force} of the {plan.moves} moves of {plan.file} are in force{applied}{before}; "
        f"{_recent(plan.recent)}"
    )


def _recent(count: int) -> str:
    return f"{count or 'none'} {'count' if count > 1 else 'counts'} as recent"
