"""Reasons why no schedule exists, and changes that would make one possible, for a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from rich.console import RenderableType
from rich.text import Text

from optimizer.model.phrases import count_vms
from optimizer.report.terminal.sheet import Column, Glyphs, Page, Rows, bullets, decimals, number, table
from optimizer.solve import NamedConflict, NamedRelaxation, NoSchedule

CONFLICTS_SHOWN = 5
RELAXATIONS_SHOWN = 10
"""Maximum number of conflicts, and of ways out, that a terminal shows; JSON contains all of them."""

VMS_WRITTEN = 20
"""Maximum number of exempted VMs for which a terminal shows what to write."""


def render_first_conflict(conflict: NamedConflict) -> Page:
    """Render a conflict as soon as it is proven, before ways out are known."""

    def build(glyphs: Glyphs, _width: int) -> Iterator[RenderableType]:
        yield from _first(conflict, glyphs)
        yield Text()
        yield Text("Looking for changes that make a schedule possible", style="bold").append(
            " (each is verified by solving again)", style="dim"
        )

    return Page(build)


def render_found(one: NamedConflict | NamedRelaxation) -> Page:
    """Render a further conflict or a way out as soon as it is found."""
    found = f"Further conflict: {one.sentence}" if isinstance(one, NamedConflict) else one.sentence

    def build(glyphs: Glyphs, _width: int) -> Iterator[RenderableType]:
        yield bullets([found], glyphs)

    return Page(build)


def render_no_schedule(answer: NoSchedule, told: Collection[NamedConflict] = ()) -> Page:
    """Render the conflicts, and the changes that make a schedule possible, with their plans.

    Parameters
    ----------
    answer
        Reasons why no schedule exists.
    told
        Conflicts that were already shown.  For these, only new information is shown: a proof, and circumstances.
    """
    known = {one.limits: one for one in told}

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        first, *others = answer.conflicts
        others = [one for one in others if one.limits not in known or one.circumstances]
        if first.limits not in known or first.circumstances:
            yield from _first(first, glyphs)
        elif first.smallest and not known[first.limits].smallest:
            yield Text()
            yield Text(glyphs.clean(f"Proven: no smaller set of rules or limits than {first.rules} is in conflict."))
        if others:
            yield Text()
            yield _title("Further conflicts", min(CONFLICTS_SHOWN, len(others)), len(others))
            yield bullets([text for one in others[:CONFLICTS_SHOWN] for text in _told(one)], glyphs)
        if answer.relaxations:
            yield table(_ways_out(answer), glyphs, width)
            yield from _as_written(answer, glyphs)
            if not answer.complete:
                yield Text("Not every change was tried; a larger --effort may find a cheaper one.", style="dim")
        else:
            yield Text()
            yield Text(answer.advice[0].upper() + answer.advice[1:] + ".")
        if steps := answer.first_step:
            yield Text()
            yield Text(f"{steps[0].upper()}{steps[1:]}.")

    return Page(build)


def _first(conflict: NamedConflict, glyphs: Glyphs) -> Iterator[RenderableType]:
    yield Text()
    yield Text("Smallest conflict" if conflict.smallest else "Conflict", style="bold").append(
        f" ({conflict.proof})", style="dim"
    )
    yield bullets(_told(conflict), glyphs)


def _title(text: str, shown: int, total: int) -> Text:
    title = Text(text, style="bold")
    return title.append(f" ({shown} of {total:,} shown)", style="dim") if total > shown else title


def _told(conflict: NamedConflict) -> list[str]:
    return [conflict.sentence, *conflict.circumstances]


def _as_written(answer: NoSchedule, glyphs: Glyphs) -> Iterator[Text]:
    """Exemptions to paste into the rules file."""
    shown = [one for one in answer.exemptions(RELAXATIONS_SHOWN) if one.write]
    if not shown:
        return
    yield Text()
    yield Text("To exempt them", style="bold").append(
        " (the complete key 'except' of the rule, including today's entries)", style="dim"
    )
    for change in shown:
        head = f"{count_vms(change.vms)} from rule {change.limit.name!r}:"
        if len(change.vms) > VMS_WRITTEN:
            yield Text(glyphs.clean(f"{head} --format json lists them, with the key to paste as 'write'"))
            continue
        yield Text(glyphs.clean(head))
        for line in change.write.splitlines():
            yield Text(glyphs.clean(f"  {line}"), no_wrap=True, overflow="ignore")


def _ways_out(answer: NoSchedule) -> Rows:
    shown = answer.relaxations[:RELAXATIONS_SHOWN]
    plans = [one.plan for one in shown]
    return Rows(
        title="What would make a schedule possible",
        columns=(
            Column("change", share=1, prose=True),
            number("cost"),
            number("at risk"),
            number("overlaps"),
            number("moved"),
            number("policies"),
        ),
        cells=[
            (_change(one), cost, risk, overlaps, f"{one.plan.moved:,}", f"{one.plan.policy_writes:,}")
            for one, cost, risk, overlaps in zip(
                shown,
                decimals(plan.cost for plan in plans),
                decimals(plan.at_risk for plan in plans),
                decimals(plan.overlaps_per_month for plan in plans),
                strict=True,
            )
        ],
        total=len(answer.relaxations),
        note=(
            "each was verified by solving again; the cheapest is first; cost, at-risk backups and expected "
            "overlapping snapshots per 30 days, policies written"
            + ("" if all(one.minimal for one in shown) else "; * perhaps not all of these changes are needed")
        ),
    )


def _change(one: NamedRelaxation) -> str:
    return one.phrase + ("" if one.minimal else " *")
