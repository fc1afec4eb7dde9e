"""Explanation of one VM, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from optimizer.documents import ExplainedOption, Explanation
from optimizer.model.timegrid import parse_start
from optimizer.report.terminal.plan import expected_sentence, hour_ruler
from optimizer.report.terminal.sheet import (
    Column,
    Glyphs,
    Page,
    Rows,
    bullets,
    decimal,
    decimals,
    number,
    plural,
    profile_bars,
    short_id,
    signed,
    table,
)

FORBIDDEN_SHOWN = 5
"""Maximum number of better starts shown that are not allowed; JSON contains all of them."""


def render_explanation(explanation: Explanation) -> Page:
    """Render the explanation of one VM: risk over the day, today compared with the plan, and the next best starts."""

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        yield from _heading(explanation, glyphs, width)
        yield from _profile(explanation, glyphs)
        yield table(_options(explanation), glyphs, width)
        if explanation.alternatives:
            yield Text()
            yield Text(_advice(explanation), style="dim")
        yield from _forbidden(explanation, glyphs, width)
        if expected := expected_sentence(explanation.expected_change, explanation.model):
            yield Text()
            yield Text(f"The whole plan: {expected[0].lower()}{expected[1:]}", style="dim")
        if explanation.notes:
            yield Text()
            yield bullets(explanation.notes, glyphs)

    return Page(build)


def _heading(explanation: Explanation, glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
    today, proposed = explanation.today, explanation.proposed
    what = f"moves from {today.start} to {proposed.start}" if explanation.moves else f"stays at {today.start}"
    yield Text(f"{glyphs.shorten(short_id(explanation.vm), width - 30)} {what}", style="bold")
    yield Text(glyphs.clean(explanation.reason))
    yield Text()
    facts = (
        ("service", short_id(explanation.service)),
        ("vault", short_id(explanation.vault)),
        ("schedule", f"{explanation.recurrence}, in {explanation.timezone}"),
        ("policy", _policy_line(explanation, glyphs)),
    )
    for name, value in facts:
        yield Text(f"  {name:<10}{glyphs.shorten(value, width - 12)}")
    if explanation.history_days is not None:
        yield Text(f"  {'history':<10}{plural(round(explanation.history_days), 'usable day')}")


def _policy_line(explanation: Explanation, glyphs: Glyphs) -> str:
    today, proposed = explanation.today.policy, explanation.proposed.policy or "a new policy"
    return today if today == proposed else f"{today} {glyphs.arrow} {proposed}"


def _profile(explanation: Explanation, glyphs: Glyphs) -> Iterator[RenderableType]:
    """Risk of each start; below it, the starts that are not allowed, and the VM's own starts."""
    known = [value for value in explanation.profile if value is not None]
    if not known:
        return
    yield Text()
    yield Text("At-risk backups per 30 days by start", style="bold").append(
        f" ({explanation.timezone}; lowest {decimal(min(known))}, highest {decimal(max(known))})", style="dim"
    )
    yield Text(f"  {profile_bars(explanation.profile, glyphs)}", style="yellow")
    marks = [" " if allowed else "x" for allowed in explanation.allowed]
    marks[parse_start(explanation.today.start)] = "T"
    if explanation.moves:
        marks[parse_start(explanation.proposed.start)] = "P"
    yield Text(f"  {''.join(marks).rstrip()}", style="bold")
    yield Text(f"  {hour_ruler()}", style="dim")
    legend = "T today" + (f" {glyphs.dot} P plan" if explanation.moves else " and plan")
    if not all(explanation.allowed):
        legend += f" {glyphs.dot} x not allowed"
    yield Text(f"  {legend}", style="dim")


def _options(explanation: Explanation) -> Rows:
    """Today's start, the plan's start and the next best ones, each with its cost compared with the plan."""
    named: list[tuple[str, ExplainedOption]] = [("plan", explanation.proposed)]
    if explanation.moves:
        named.insert(0, ("today", explanation.today))
    else:
        named = [("today, plan", explanation.proposed)]
    words = ("next best", "then")
    named += [(words[min(position, 1)], option) for position, option in enumerate(explanation.alternatives)]
    columns = (
        Column(""), Column("start"), Column("UTC"), number("at risk"), number("overlaps"),
        number("risk"), number("overlap"), number("other"), number("policy"), number("move"), number("cost"),
    )  # fmt: skip
    at_risk = decimals(option.risk for _, option in named)
    overlaps = decimals(option.overlaps_per_month for _, option in named)
    return Rows(
        title="What each start costs",
        columns=columns,
        cells=[
            (name, option.start, option.start_utc, risk, overlap, *_parts(option))
            for (name, option), risk, overlap in zip(named, at_risk, overlaps, strict=True)
        ],
        styles=["bold" if option is explanation.proposed else "" for _, option in named],
        note=(
            "at risk: per 30 days; overlaps: expected per 30 days with VMs of its service, where the plan has them; "
            "risk to cost: difference from the plan; other: vault peaks and starts in working hours"
        ),
    )


def _parts(option: ExplainedOption) -> Sequence[str]:
    parts = option.difference
    other = parts.vault_peak + parts.working_hours  # one column, because two do not fit into 80 characters
    return [signed(one) for one in (parts.risk, parts.overlap, other, parts.policy, parts.move, parts.total)]


def _advice(explanation: Explanation) -> str:
    best = explanation.alternatives[0]
    total = best.difference.total
    if total >= 0:
        return f"Starting at {best.start} instead would cost {decimal(total)} more, in at-risk backups per 30 days."
    return (
        f"Starting at {best.start} instead would save {decimal(-total)} for this VM alone; the bound is proven for "
        "the whole plan, not for each VM."
    )


def _forbidden(explanation: Explanation, glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
    shown = explanation.forbidden[:FORBIDDEN_SHOWN]
    if not shown:
        return
    risks = decimals(one.risk for one in shown)
    savings = decimals(one.saves for one in shown)
    cells = [
        (one.start, risk, saves, "; ".join(one.reasons))
        for one, risk, saves in zip(shown, risks, savings, strict=True)
    ]
    columns = (Column("start"), number("at risk"), number("saves"), Column("forbidden by", share=1, prose=True))
    note = "saves: how much less the plan would cost per 30 days if nothing else changed"
    yield table(
        Rows("Better, but not allowed", columns, cells, total=len(explanation.forbidden), note=note), glyphs, width
    )
    if explanation.limits:
        yield table(_limits(explanation), glyphs, width)


def _limits(explanation: Explanation) -> Rows:
    shown = explanation.limits[:FORBIDDEN_SHOWN]
    savings = decimals(one.saves for one in shown)
    return Rows(
        title="What a limit costs this VM",
        columns=(Column("rule or limit", share=1), Column("start"), number("per 30 days")),
        cells=[(one.name, one.start, saves) for one, saves in zip(shown, savings, strict=True)],
        total=len(explanation.limits),
        note="the cheapest start that only this limit forbids, and what it would save",
    )
