"""Reasons why no schedule exists, and changes that would make one possible, for a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from optimizer.model.phrases import count_vms
from optimizer.report.table import Column, Table, count, figure, prose
from optimizer.report.terminal.sheet import Page, Sheet
from optimizer.solve import NamedConflict, NamedRelaxation, NoSchedule

CONFLICTS_SHOWN = 5
RELAXATIONS_SHOWN = 10
"""Maximum number of conflicts, and of ways out, that a terminal shows; JSON contains all of them."""

VMS_WRITTEN = 20
"""Maximum number of exempted VMs for which a terminal shows what to write."""


def render_first_conflict(conflict: NamedConflict) -> Page:
    """Render a conflict as soon as it is proven, before ways out are known."""

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        yield from _first(conflict, sheet)
        yield from sheet.heading(
            "Looking for changes that make a schedule possible", "each is verified by solving again"
        )

    return Page(build)


def render_found(news: NamedConflict | NamedRelaxation) -> Page:
    """Render a further conflict or a way out as soon as it is found."""
    text = f"Further conflict: {news.sentence}" if isinstance(news, NamedConflict) else news.sentence
    return Page(lambda sheet: [sheet.bullets([text])])


def render_no_schedule(answer: NoSchedule, already_shown: Collection[NamedConflict] = ()) -> Page:
    """Render the conflicts, and the changes that make a schedule possible, with their plans.

    Parameters
    ----------
    answer
        Reasons why no schedule exists.
    already_shown
        Conflicts that were already shown. For these, only new information is shown: a proof, and circumstances.
    """

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        yield from _conflicts(answer, already_shown, sheet)
        yield from _relaxations(answer, sheet)
        if steps := answer.first_step:
            yield Text()
            yield Text(f"{steps[0].upper()}{steps[1:]}.")

    return Page(build)


def _conflicts(answer: NoSchedule, already_shown: Collection[NamedConflict], sheet: Sheet) -> Iterator[RenderableType]:
    """Conflicts that were not shown yet, and what is new about the first."""
    known = {conflict.limits: conflict for conflict in already_shown}
    news = [conflict for conflict in answer.conflicts if conflict.limits not in known or conflict.circumstances]
    first = answer.conflicts[0]
    begins_with_first = news[:1] == [first]
    if begins_with_first:
        yield from _first(first, sheet)
    elif first.smallest and not known[first.limits].smallest:
        yield Text()
        yield sheet.line(f"Proven: no smaller set of rules or limits than {first.rules} is in conflict.")
    yield from _further(news[1:] if begins_with_first else news, sheet)


def _further(conflicts: Sequence[NamedConflict], sheet: Sheet) -> Iterator[RenderableType]:
    if not conflicts:
        return
    shown = conflicts[:CONFLICTS_SHOWN]
    more = len(conflicts) > len(shown)
    yield from sheet.heading("Further conflicts", f"{len(shown)} of {len(conflicts):,} shown" if more else "")
    yield sheet.bullets(sentence for conflict in shown for sentence in _sentences(conflict))


def _first(conflict: NamedConflict, sheet: Sheet) -> Iterator[RenderableType]:
    yield from sheet.heading("Smallest conflict" if conflict.smallest else "Conflict", conflict.proof)
    yield sheet.bullets(_sentences(conflict))


def _sentences(conflict: NamedConflict) -> list[str]:
    return [conflict.sentence, *conflict.circumstances]


def _relaxations(answer: NoSchedule, sheet: Sheet) -> Iterator[RenderableType]:
    """Changes that make a schedule possible, or advice if none is known."""
    if not answer.relaxations:
        yield Text()
        yield Text(answer.advice[0].upper() + answer.advice[1:] + ".")
        return
    yield sheet.table(_ways_out(answer))
    yield from _as_written(answer, sheet)
    if not answer.complete:
        yield Text("Not every change was tried; a larger --effort may find a cheaper one.", style="dim")


def _as_written(answer: NoSchedule, sheet: Sheet) -> Iterator[Text]:
    """Exemptions to paste into the rules file."""
    shown = [change for change in answer.exemptions(RELAXATIONS_SHOWN) if change.write]
    if not shown:
        return
    yield from sheet.heading("To exempt them", "the complete key 'except' of the rule, including today's entries")
    for change in shown:
        yield from _exemption(change.vms, change.limit.name, change.write, sheet)


def _exemption(vms: Sequence[str], rule: str, entry: str, sheet: Sheet) -> Iterator[Text]:
    """Key of a rule that exempts VMs, unless it is too long to be copied from a terminal."""
    head = f"{count_vms(vms)} from rule {rule!r}:"
    if len(vms) > VMS_WRITTEN:
        yield sheet.line(f"{head} --format json lists them, with the key to paste as 'write'")
        return
    yield sheet.line(head)
    for line in entry.splitlines():
        yield Text(sheet.clean(f"  {line}"), no_wrap=True, overflow="ignore")


def _ways_out(answer: NoSchedule) -> Table:
    columns: tuple[Column[NamedRelaxation], ...] = (
        prose("change", _change, share=1),
        figure("cost", lambda way: way.plan.cost),
        figure("at risk", lambda way: way.plan.at_risk),
        figure("overlaps", lambda way: way.plan.overlaps_per_month),
        count("moved", lambda way: way.plan.moved),
        count("policies", lambda way: way.plan.policy_writes),
    )
    minimal = all(way.minimal for way in answer.relaxations[:RELAXATIONS_SHOWN])
    note = (
        "each was verified by solving again; the cheapest is first; cost, at-risk backups and expected "
        "overlapping snapshots per 30 days, policies written"
        + ("" if minimal else "; * perhaps not all of these changes are needed")
    )
    return Table.of(
        "What would make a schedule possible", columns, answer.relaxations, most=RELAXATIONS_SHOWN, note=note
    )


def _change(way: NamedRelaxation) -> str:
    return way.phrase + ("" if way.minimal else " *")
