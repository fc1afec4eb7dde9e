"""Explanation of one VM, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from optimizer.documents import ExplainedOption, Explanation, ForbiddenOption, LimitCost
from optimizer.model.timegrid import parse_start
from optimizer.report.formats import decimal, plural, short_id, signed
from optimizer.report.table import Column, Table, figure, number, prose, text
from optimizer.report.terminal.sheet import HOURS, Page, Sheet
from optimizer.report.wording.expected import expected_sentence

FORBIDDEN_SHOWN = 5
"""Maximum number of better starts shown that are not allowed; JSON contains all of them."""


def render_explanation(explanation: Explanation) -> Page:
    """Render the explanation of one VM: risk over the day, today compared with the plan, and the next best starts."""

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        yield from _heading(explanation, sheet)
        yield from _profile(explanation, sheet)
        yield sheet.table(_options(explanation))
        if explanation.alternatives:
            yield Text()
            yield Text(_advice(explanation), style="dim")
        yield from (sheet.table(table) for table in (_forbidden(explanation), _limits(explanation)) if table.cells)
        if expected := expected_sentence(explanation.expected_change, explanation.model):
            yield Text()
            yield Text(f"The whole plan: {expected[0].lower()}{expected[1:]}", style="dim")
        if explanation.notes:
            yield Text()
            yield sheet.bullets(explanation.notes)

    return Page(build)


def _heading(explanation: Explanation, sheet: Sheet) -> Iterator[RenderableType]:
    today, proposed = explanation.today, explanation.proposed
    what = f"moves from {today.start} to {proposed.start}" if explanation.moves else f"stays at {today.start}"
    yield Text(f"{sheet.shorten(short_id(explanation.vm), sheet.width - 30)} {what}", style="bold")
    yield sheet.line(explanation.reason)
    yield Text()
    facts = {
        "service": short_id(explanation.service),
        "vault": short_id(explanation.vault),
        "schedule": f"{explanation.recurrence}, in {explanation.timezone}",
        "policy": _policy_line(explanation, sheet),
    }
    if explanation.history_days is not None:
        facts["history"] = plural(round(explanation.history_days), "usable day")
    yield from (Text(f"  {name:<10}{sheet.shorten(value, sheet.width - 12)}") for name, value in facts.items())


def _policy_line(explanation: Explanation, sheet: Sheet) -> str:
    today, proposed = explanation.today.policy, explanation.proposed.policy or "a new policy"
    return today if today == proposed else f"{today} {sheet.arrow} {proposed}"


def _profile(explanation: Explanation, sheet: Sheet) -> Iterator[RenderableType]:
    """Risk of each start; below it, the starts that are not allowed, and the VM's own starts."""
    known = [value for value in explanation.profile if value is not None]
    if not known:
        return
    extent = f"{explanation.timezone}; lowest {decimal(min(known))}, highest {decimal(max(known))}"
    yield from sheet.heading("At-risk backups per 30 days by start", extent)
    yield Text(f"  {sheet.profile(explanation.profile)}", style="yellow")
    yield Text(f"  {_marks(explanation)}", style="bold")
    yield Text(f"  {HOURS}", style="dim")
    legend = ["T today", "P plan"] if explanation.moves else ["T today and plan"]
    legend += [] if all(explanation.allowed) else ["x not allowed"]
    yield Text("  " + f" {sheet.dot} ".join(legend), style="dim")


def _marks(explanation: Explanation) -> str:
    """One character per start: not allowed, today's, the plan's."""
    marks = [" " if allowed else "x" for allowed in explanation.allowed]
    marks[parse_start(explanation.today.start)] = "T"
    if explanation.moves:
        marks[parse_start(explanation.proposed.start)] = "P"
    return "".join(marks).rstrip()


def _options(explanation: Explanation) -> Table:
    """Today's start, the plan's start and the next best ones, each with its cost compared with the plan."""
    columns: tuple[Column[tuple[str, ExplainedOption]], ...] = (
        text("", lambda row: row[0]),
        text("start", lambda row: row[1].start),
        text("UTC", lambda row: row[1].start_utc),
        figure("at risk", lambda row: row[1].risk),
        figure("overlaps", lambda row: row[1].overlaps_per_month),
        number("risk", lambda row: signed(row[1].difference.risk)),
        number("overlap", lambda row: signed(row[1].difference.overlap)),
        # One column, because two do not fit into 80 characters.
        number("other", lambda row: signed(row[1].difference.vault_peak + row[1].difference.working_hours)),
        number("policy", lambda row: signed(row[1].difference.policy)),
        number("move", lambda row: signed(row[1].difference.move)),
        number("cost", lambda row: signed(row[1].difference.total)),
    )
    note = (
        "at risk: per 30 days; overlaps: expected per 30 days with VMs of its service, where the plan has them; "
        "risk to cost: difference from the plan; other: vault peaks and starts in working hours"
    )
    return Table.of(
        "What each start costs", columns, _named_options(explanation), note=note,
        style=lambda row: "bold" if row[1] is explanation.proposed else "",
    )  # fmt: skip


def _named_options(explanation: Explanation) -> list[tuple[str, ExplainedOption]]:
    own = [("today", explanation.today), ("plan", explanation.proposed)]
    if not explanation.moves:
        own = [("today, plan", explanation.proposed)]
    names = ["next best", *["then"] * len(explanation.alternatives)]
    return own + list(zip(names, explanation.alternatives, strict=False))


def _advice(explanation: Explanation) -> str:
    best = explanation.alternatives[0]
    total = best.difference.total
    if total >= 0:
        return f"Starting at {best.start} instead would cost {decimal(total)} more, in at-risk backups per 30 days."
    return (
        f"Starting at {best.start} instead would save {decimal(-total)} for this VM alone; the bound is proven for "
        "the whole plan, not for each VM."
    )


def _forbidden(explanation: Explanation) -> Table:
    columns: tuple[Column[ForbiddenOption], ...] = (
        text("start", lambda option: option.start),
        figure("at risk", lambda option: option.risk),
        figure("saves", lambda option: option.saves),
        prose("forbidden by", lambda option: "; ".join(option.reasons), share=1),
    )
    note = "saves: how much less the plan would cost per 30 days if nothing else changed"
    return Table.of("Better, but not allowed", columns, explanation.forbidden, most=FORBIDDEN_SHOWN, note=note)


def _limits(explanation: Explanation) -> Table:
    columns: tuple[Column[LimitCost], ...] = (
        text("rule or limit", lambda limit: limit.name, share=1),
        text("start", lambda limit: limit.start),
        figure("per 30 days", lambda limit: limit.saves),
    )
    note = "the cheapest start that only this limit forbids, and what it would save"
    return Table.of("What a limit costs this VM", columns, explanation.limits, most=FORBIDDEN_SHOWN, note=note)
