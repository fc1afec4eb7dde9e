"""Roll-outs for a terminal: the calendar, a rehearsal, what is to be confirmed, and how a run ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from optimizer.documents import PlanDocument
from optimizer.report.terminal.sheet import Column, Glyphs, Page, Rows, bullets, number, plural, short_id, table
from optimizer.report.terminal.shell import command_lines
from optimizer.report.wording.next_steps import NextStep, next_steps
from optimizer.report.wording.rules_in_force import rules_in_force
from optimizer.rollout import Rollout

if TYPE_CHECKING:
    from optimizer.rollout import Prepared, Rehearsal, RunOutcome

SHOWN = 10
"""Maximum number of rows of each list on a terminal; JSON contains all rows."""

_INDENT = 6
"""Number of columns before a command."""

VERBS = {
    "create_policy": "create",
    "edit_policy": "edit",
    "reassign_item": "reassign",
    "delete_policy": "delete",
}
"""Verb for each kind of write, for people."""


def render_rollout(rollout: Rollout, plan: PlanDocument | None = None, max_rows: int | None = SHOWN) -> Page:
    """Render the sequence of writes, the days it takes, and what is blocked and why.

    Parameters
    ----------
    rollout
        Calendar of the writes.
    plan
        Plan of the calendar, for the name of the estate in the headline.
    max_rows
        Maximum number of writes and of blocked writes to show.  None: all.
    """

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        of = f" of the plan for the estate of {plan.estate.as_of:%Y-%m-%d %H:%M} UTC" if plan else ""
        yield Text(f"Roll-out{of}", style="bold")
        yield Text(_extent(rollout))
        yield from _calendar(rollout, glyphs, width, max_rows)

    return Page(build)


def _extent(rollout: Rollout) -> str:
    """Amount of work, with its first and last time."""
    if not rollout.writes:
        return "No write can be made" if rollout.blocked else "Nothing to write"
    vaults = len({timed.write.vault_id for timed in rollout.writes})
    first, last = (f"{edge(timed.at for timed in rollout.writes):%Y-%m-%d %H:%M}" for edge in (min, max))
    return (
        f"{_amount(rollout)}, in {plural(vaults, 'vault')}, over {plural(rollout.num_days, 'day')}: "
        f"first write {first}, last {last} UTC"
    )


def _amount(rollout: Rollout) -> str:
    created, edited = rollout.count("create_policy"), rollout.count("edit_policy")
    deleted = rollout.count("delete_policy")
    parts = [f"{plural(created, 'policy')} created"] if created else []
    parts += [f"{plural(edited, 'policy')} edited"] if edited else []
    parts.append(f"{plural(rollout.num_vms, 'VM')} moved")
    parts += [f"{plural(deleted, 'policy')} deleted"] if deleted else []
    return f"{plural(len(rollout.writes), 'write')}: " + ", ".join(parts)


def _calendar(rollout: Rollout, glyphs: Glyphs, width: int, max_rows: int | None) -> Iterator[RenderableType]:
    if rollout.writes:
        yield table(_days(rollout, glyphs), glyphs, width)
        yield table(_writes(rollout, glyphs, max_rows), glyphs, width)
    if rollout.blocked:
        yield table(_blocked(rollout, max_rows), glyphs, width)
    yield from _remarks("Notes", rollout.notes, glyphs, width)


def _days(rollout: Rollout, glyphs: Glyphs) -> Rows:
    """Table with one row per day, wave and vault."""
    groups = rollout.by_vault()
    firsts = [group.writes[0] for group in groups]
    spans = [(min(t.at for t in group.writes), max(t.at for t in group.writes)) for group in groups]
    waves = [f"{first.wave}" for first in firsts]
    deletes = rollout.count("delete_policy") > 0

    table_columns = [
        (number("day"), [f"{first.day}" for first in firsts]),
        (number("wave"), waves if len(set(waves)) > 1 else []),
        (Column("vault", share=1), [short_id(first.write.vault_id) for first in firsts]),
        (number("created"), [_count(group.count("create_policy"), glyphs) for group in groups]),
        (number("edited"), [_count(group.count("edit_policy"), glyphs) for group in groups]),
        (number("deleted"), [_count(group.count("delete_policy"), glyphs) for group in groups] if deletes else []),
        (number("VMs moved"), [_count(group.num_vms, glyphs) for group in groups]),
        (Column("from"), [_minute(first) for first, _ in spans]),
        (Column("to (UTC)"), [_end_of(first, last) for first, last in spans]),
    ]
    shown = [(column, cells) for column, cells in table_columns if cells]
    columns, cells = zip(*shown, strict=True)
    return Rows("Days", columns, list(zip(*cells, strict=True)))


def _count(count: int, glyphs: Glyphs) -> str:
    return f"{count:,}" if count else glyphs.dash


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _end_of(first: datetime, last: datetime) -> str:
    """Last time of a day, with its date if that is another day."""
    same_date = first.astimezone(UTC).date() == last.astimezone(UTC).date()
    return f"{last.astimezone(UTC):%H:%M}" if same_date else _minute(last)


def _writes(rollout: Rollout, glyphs: Glyphs, max_rows: int | None) -> Rows:
    cells = [
        (
            f"{timed.write.number}",
            f"{timed.day}",
            _minute(timed.at),
            VERBS[timed.write.kind],
            timed.write.name,
            short_id(timed.write.vault_id),
            _change(timed.write.start_before, timed.write.start_after, glyphs),
        )
        for timed in rollout.writes[:max_rows]
    ]
    columns = (
        number("no."),
        number("day"),
        Column("at (UTC)"),
        Column(""),
        Column("what", share=2),
        Column("vault", share=1),
        Column("start"),
    )
    return Rows("Writes by time", columns, cells, total=len(rollout.writes))


def _change(before: str, after: str, glyphs: Glyphs) -> str:
    return f"{before} {glyphs.arrow} {after}" if before else after or glyphs.dash


def _blocked(rollout: Rollout, max_rows: int | None) -> Rows:
    cells = [
        (f"{blocked.write.number}", VERBS[blocked.write.kind], blocked.write.name, blocked.reason)
        for blocked in rollout.blocked[:max_rows]
    ]
    columns = (number("no."), Column(""), Column("what", share=1), Column("why", share=2, prose=True))
    return Rows("Blocked: no time was found for these", columns, cells, total=len(rollout.blocked))


def _remarks(
    title: str, texts: Sequence[str], glyphs: Glyphs, width: int, max_rows: int | None = None
) -> Iterator[RenderableType]:
    if texts:
        yield Text()
        heading = Text(title, style="bold")
        if max_rows is not None and len(texts) > max_rows:
            heading.append(f" ({max_rows} of {len(texts):,} shown)", style="dim")
        yield heading
        for text in texts[:max_rows]:
            sentence, *commands = text.split("\n    ")
            yield bullets([sentence], glyphs)
            for command in commands:
                yield from command_lines(command, width, _INDENT)


def render_rehearsal(rehearsal: Rehearsal, max_rows: int | None = SHOWN) -> Page:
    """Render the result of a rehearsal: verdict, checks, calendar, and everything that went wrong."""

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        yield Text(_rehearsed(rehearsal), style="bold")
        if rehearsal.prepared.writes or rehearsal.rollout.blocked:
            yield Text(_extent(rehearsal.rollout))
        yield table(_checks(rehearsal), glyphs, width)
        yield from _calendar(rehearsal.rollout, glyphs, width, max_rows)
        yield from _see_all(rehearsal.prepared, width, max_rows)
        yield from _remarks("Broken on the way", rehearsal.findings, glyphs, width, max_rows)
        yield from _remarks("The end differs from the plan", rehearsal.end_differences, glyphs, width, max_rows)
        yield from _remarks("The rollback left differences", rehearsal.rollback_differences, glyphs, width, max_rows)
        yield from _remarks("Not made", _reasons(rehearsal.outcome), glyphs, width, max_rows)
        if rehearsal.rollback_outcome is not None:
            yield from _remarks("Not taken back", _reasons(rehearsal.rollback_outcome), glyphs, width, max_rows)
        if rehearsal.watch is not None:
            alarms = [f"{short_id(vm.vm)}: {vm.reason}" for vm in rehearsal.watch.alarms]
            yield from _remarks("Alarms of the watch", alarms, glyphs, width, max_rows)
        yield from _remarks("Before you apply", rehearsal.prepared.remarks, glyphs, width)

    return Page(build)


def _rehearsed(rehearsal: Rehearsal) -> str:
    """Verdict on a plan; a plan that changes nothing has not been tested."""
    if not rehearsal.flawless:
        return "Rehearsal: the plan cannot be carried out as it is; see below"
    if not rehearsal.prepared.writes:
        return "Rehearsal: the plan changes nothing, so there was nothing to rehearse"
    return "Rehearsal: the plan can be carried out completely and rolled back"


def _checks(rehearsal: Rehearsal) -> Rows:
    made, planned = len(rehearsal.outcome.done), len(rehearsal.prepared.writes)
    back = rehearsal.rollback_outcome
    if back is None:
        restored = "not tried: nothing was written"
    elif not back.complete:
        restored = "no: not every write was rolled back"
    else:
        restored = _equal(rehearsal.rollback_differences, "yes", "no")
    watched = "not looked at: nothing was written"
    if rehearsal.watch is not None:
        counts = rehearsal.watch.verdicts
        watched = f"{plural(counts['ok'], 'VM')} backed up at the new time, {plural(counts['alarm'], 'alarm')}"
        late = counts["waiting"] + counts["unknown"]
        watched += f", {late} not known" if late else ""
    findings = f"{rehearsal.num_writes:,} checked: {plural(len(rehearsal.findings), 'finding')}"
    cells = [
        ("writes made", f"{made:,} of {planned:,}, in {plural(rehearsal.rollout.num_days, 'day')}"),
        ("intermediate states: limits, windows, RPO", findings),
        ("the end equals the plan", _equal(rehearsal.end_differences, "yes", "no")),
        ("the first backups after", watched),
        ("the rollback restores the start", restored),
    ]
    return Rows("Checks", (Column("what"), Column("result", share=1, prose=True)), cells)


def _equal(differences: Sequence[str], yes: str, no: str) -> str:
    return f"{no}: {plural(len(differences), 'difference')}" if differences else yes


def _reasons(outcome: RunOutcome) -> list[str]:
    """Reasons why writes were not made, in words, by number."""
    texts = {number: f"failed: {outcome.reasons.get(number, 'no reason given')}" for number in outcome.failed}
    texts |= {number: f"skipped: {outcome.reasons.get(number, 'no reason given')}" for number in outcome.skipped}
    texts |= {number: f"pending: {reason}" for number, reason in outcome.pending.items()}
    texts |= {blocked.write.number: f"blocked: {blocked.reason}" for blocked in outcome.blocked}
    return [f"write {number} {text}" for number, text in sorted(texts.items())]


def render_apply_summary(prepared: Prepared, max_rows: int | None = SHOWN) -> Page:
    """Render what a person is asked to confirm: how much, where, when, and on whose approval."""

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        yield Text(f"{prepared.command} {prepared.plan_path}", style="bold")
        yield Text(_extent(prepared.rollout))
        if prepared.num_made:
            yield Text(f"{plural(prepared.num_made, 'write')} of {len(prepared.writes):,} made before, by the journal")
        yield from (Text(line) for line in _who_and_what(prepared))
        yield Text()
        yield Text("Rules of the plan", style="bold")
        yield bullets(rules_in_force(prepared.plan.rules), glyphs)
        yield from _calendar(prepared.rollout, glyphs, width, max_rows)
        yield from _see_all(prepared, width, max_rows)
        yield from _remarks("Before you go on", prepared.remarks, glyphs, width)

    return Page(build)


def _see_all(prepared: Prepared, width: int, max_rows: int | None) -> Iterator[RenderableType]:
    """How to see, before confirming, the writes that the table leaves out."""
    if max_rows is None or len(prepared.rollout.writes) <= max_rows:
        return
    is_rollback = prepared.command == "rollback"
    commands = prepared.commands
    command = commands.report_journal() if is_rollback else commands.rehearse(*prepared.scope.words())
    yield Text()
    yield Text("To see every write" + (" that is rolled back:" if is_rollback else ":"))
    yield from command_lines(command, width, _INDENT)


def _who_and_what(prepared: Prepared) -> Iterator[str]:
    options = prepared.scope.options()
    narrowed = [*(f"--only {text}" for text in options.get("only", ()))]
    narrowed += [f"--max-moves {options['max_moves']}"] if "max_moves" in options else []
    narrowed += [f"--wave {options['wave']:g}: {plural(len(prepared.pilot), 'VM')} first"] if "wave" in options else []
    if narrowed:
        yield "a part of the plan: " + ", ".join(narrowed)
    approval = prepared.approval
    named = [f"approved by {approval.approved_by}"] if approval.approved_by else []
    named += [f"ticket {approval.ticket}"] if approval.ticket else []
    if named:
        yield ", ".join(named)
    yield f"plan: {prepared.plan.fingerprint}"
    yield f"journal: {prepared.journal_path}"


def render_outcome(outcome: RunOutcome, prepared: Prepared, max_rows: int | None = SHOWN) -> Page:
    """Render how a run of ``apply`` or ``rollback`` ended, and what to do next."""

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        yield Text(_ended(outcome, prepared), style="bold")
        rows = _not_made(outcome, prepared, max_rows)
        if rows.cells:
            yield table(rows, glyphs, width)
        if outcome.found:
            found = plural(len(outcome.found), "write")
            yield Text(f"{found} found in place: somebody else made the change, and a rollback leaves it as it is")
        yield from _next(list(next_steps(outcome, prepared)), glyphs, width)

    return Page(build)


def _ended(outcome: RunOutcome, prepared: Prepared) -> str:
    looked_at = sum(write.number in {*outcome.done, *outcome.pending} for write in prepared.begun)
    total = len(prepared.writes) + looked_at
    if outcome.complete:
        return f"Done: {plural(total, 'write')} made" if total != 1 else "Done: the write is made"
    counts = {
        "failed": len(outcome.failed),
        "skipped": len(outcome.skipped),
        "pending": len(outcome.pending),
        "blocked": len(outcome.blocked),
    }
    left = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return f"Not finished: {len(outcome.done):,} of {total:,} writes made, {left}"


def _not_made(outcome: RunOutcome, prepared: Prepared, max_rows: int | None) -> Rows:
    by_number = {write.number: write for write in (*prepared.writes, *prepared.begun)}
    states = {number: ("failed", outcome.reasons.get(number, "")) for number in outcome.failed}
    states |= {number: ("skipped", outcome.reasons.get(number, "")) for number in outcome.skipped}
    states |= {blocked.write.number: ("blocked", blocked.reason) for blocked in outcome.blocked}
    states |= {number: ("pending", reason) for number, reason in outcome.pending.items()}
    cells = [
        (f"{n}", state, VERBS[by_number[n].kind], by_number[n].name, reason) for n, (state, reason) in states.items()
    ]
    columns = (number("no."), Column(""), Column(""), Column("what", share=1), Column("why", share=2, prose=True))
    return Rows("Not made", columns, cells[:max_rows], total=len(cells))


def _next(steps: Sequence[NextStep], glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
    """Next steps, each with its command."""
    if not steps:
        return
    yield Text()
    yield Text("Next", style="bold")
    for step in steps:
        yield bullets([step.what], glyphs)
        yield from command_lines(step.command, width, _INDENT)
