"""Why there is no schedule and what would make one possible, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from optimizer.report.typeset import Column, Glyphs, Page, Rows, bullets, decimals, number, table
from optimizer.solve.why_not.no_schedule import (
    NO_WAY_OUT,
    NamedConflict,
    NoSchedule,
    changes_sentence,
    conflict_sentence,
    count_vms,
    exemptions,
    proof_sentence,
    steps_sentence,
)

CONFLICTS_SHOWN = 5
RELAXATIONS_SHOWN = 10
"""Number of conflicts, and of ways out, that a terminal shows; JSON has them all."""

VMS_WRITTEN = 20
"""Maximum number of exempted VMs for which a terminal shows what to write."""


def render_no_schedule(answer: NoSchedule) -> Page:
    """Draw the conflicts, and the changes that make a schedule possible with their plans."""

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        first, *others = answer.conflicts
        yield Text()
        yield Text("Smallest conflict" if first.smallest else "Conflict", style="bold").append(
            f" ({proof_sentence(first)})", style="dim"
        )
        yield bullets(_told(first), glyphs)
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
            yield Text(NO_WAY_OUT[0].upper() + NO_WAY_OUT[1:] + ".")
        if steps := steps_sentence(answer):
            yield Text()
            yield Text(f"{steps[0].upper()}{steps[1:]}.")

    return Page(build)


def _title(text: str, shown: int, total: int) -> Text:
    title = Text(text, style="bold")
    return title.append(f" ({shown} of {total:,} shown)", style="dim") if total > shown else title


def _told(conflict: NamedConflict) -> list[str]:
    return [conflict_sentence(conflict), *conflict.circumstances]


def _as_written(answer: NoSchedule, glyphs: Glyphs) -> Iterator[Text]:
    """Exemptions to paste into the rules file."""
    shown = [one for one in exemptions(answer.relaxations[:RELAXATIONS_SHOWN]) if one.write]
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
            (changes_sentence(one.changes), cost, risk, overlaps, f"{one.plan.moved:,}", f"{one.plan.policy_writes:,}")
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
        ),
    )
