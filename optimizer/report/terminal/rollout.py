"""Roll-outs for a terminal: the calendar, a rehearsal, the writes to confirm, and the result of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from optimizer.documents import PlanDocument
from optimizer.report.formats import plural, short_id
from optimizer.report.table import Column, Table, number, prose, text
from optimizer.report.terminal.sheet import Page, Sheet
from optimizer.report.wording.changes import VERBS
from optimizer.report.wording.next_steps import next_steps
from optimizer.report.wording.rules_in_force import rules_in_force
from optimizer.rollout import Rollout

if TYPE_CHECKING:
    from optimizer.rollout import Prepared, Rehearsal, RunOutcome

SHOWN = 10
"""Maximum number of rows of each list on a terminal; JSON contains all rows."""

_INDENT = 6
"""Number of columns before a command."""


def render_rollout(rollout: Rollout, plan: PlanDocument | None = None, max_rows: int | None = SHOWN) -> Page:
    """Render the sequence of writes, the days it takes, and what is blocked and why.

    Parameters
    ----------
    rollout
        Calendar of the writes.
    plan
        Plan of the calendar, for the name of the estate in the headline.
    max_rows
        Maximum number of writes and of blocked writes to show. None: all.
    """

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        source = f" of the plan for the estate of {plan.estate.as_of:%Y-%m-%d %H:%M} UTC" if plan else ""
        yield Text(f"Roll-out{source}", style="bold")
        yield Text(_extent(rollout))
        yield from _calendar(rollout, sheet, max_rows)

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
    counts = (
        ("policy", "created", rollout.count("create_policy")),
        ("policy", "edited", rollout.count("edit_policy")),
        ("VM", "moved", rollout.num_vms),
        ("policy", "deleted", rollout.count("delete_policy")),
    )
    parts = [f"{plural(count, noun)} {done}" for noun, done, count in counts if count or noun == "VM"]
    return f"{plural(len(rollout.writes), 'write')}: " + ", ".join(parts)


def _calendar(rollout: Rollout, sheet: Sheet, max_rows: int | None) -> Iterator[RenderableType]:
    if rollout.writes:
        yield sheet.table(_days(rollout, sheet))
        yield sheet.table(_writes(rollout, sheet, max_rows))
    if rollout.blocked:
        yield sheet.table(_blocked(rollout, max_rows))
    yield from _remarks("Notes", rollout.notes, sheet)


def _days(rollout: Rollout, sheet: Sheet) -> Table:
    """Table with one row per day, wave and vault; waves and deletions have columns only if there are any."""
    groups = rollout.by_vault()
    wave: Column[Rollout] = number("wave", lambda group: f"{group.writes[0].wave}")
    deleted: Column[Rollout] = number("deleted", lambda group: _count(group.count("delete_policy"), sheet))
    has_waves = len({group.writes[0].wave for group in groups}) > 1
    columns: tuple[Column[Rollout], ...] = (
        number("day", lambda group: f"{group.writes[0].day}"),
        *((wave,) if has_waves else ()),
        text("vault", lambda group: short_id(group.writes[0].write.vault_id), share=1),
        number("created", lambda group: _count(group.count("create_policy"), sheet)),
        number("edited", lambda group: _count(group.count("edit_policy"), sheet)),
        *((deleted,) if rollout.count("delete_policy") else ()),
        number("VMs moved", lambda group: _count(group.num_vms, sheet)),
        text("from", lambda group: _minute(min(timed.at for timed in group.writes))),
        text("to (UTC)", _end_of),
    )
    return Table.of("Days", columns, groups)


def _count(count: int, sheet: Sheet) -> str:
    return f"{count:,}" if count else sheet.dash


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _end_of(group: Rollout) -> str:
    """Last time of a day, with its date if that is another day."""
    times = [timed.at.astimezone(UTC) for timed in group.writes]
    last = max(times)
    return f"{last:%H:%M}" if min(times).date() == last.date() else _minute(last)


def _writes(rollout: Rollout, sheet: Sheet, max_rows: int | None) -> Table:
    columns: tuple[Column[Any], ...] = (
        number("no.", lambda timed: f"{timed.write.number}"),
        number("day", lambda timed: f"{timed.day}"),
        text("at (UTC)", lambda timed: _minute(timed.at)),
        text("", lambda timed: VERBS[timed.write.kind]),
        text("what", lambda timed: timed.write.name, share=2),
        text("vault", lambda timed: short_id(timed.write.vault_id), share=1),
        text("start", lambda timed: _change(timed.write.start_before, timed.write.start_after, sheet)),
    )
    return Table.of("Writes by time", columns, rollout.writes, most=max_rows)


def _change(before: str, after: str, sheet: Sheet) -> str:
    return f"{before} {sheet.arrow} {after}" if before else after or sheet.dash


def _blocked(rollout: Rollout, max_rows: int | None) -> Table:
    columns: tuple[Column[Any], ...] = (
        number("no.", lambda blocked: f"{blocked.write.number}"),
        text("", lambda blocked: VERBS[blocked.write.kind]),
        text("what", lambda blocked: blocked.write.name, share=1),
        prose("why", lambda blocked: blocked.reason, share=2),
    )
    return Table.of("Blocked: no time was found for these", columns, rollout.blocked, most=max_rows)


def _remarks(title: str, texts: Sequence[str], sheet: Sheet, max_rows: int | None = None) -> Iterator[RenderableType]:
    if texts:
        shown = texts[:max_rows]
        yield from sheet.heading(title, f"{len(shown)} of {len(texts):,} shown" if len(shown) < len(texts) else "")
        for remark in shown:
            sentence, *commands = remark.split("\n    ")
            yield sheet.bullets([sentence])
            for command in commands:
                yield from sheet.commands(command, _INDENT)


def render_rehearsal(rehearsal: Rehearsal, max_rows: int | None = SHOWN) -> Page:
    """Render the result of a rehearsal: verdict, checks, calendar, and everything that went wrong."""

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        yield Text(_rehearsed(rehearsal), style="bold")
        if rehearsal.prepared.writes or rehearsal.rollout.blocked:
            yield Text(_extent(rehearsal.rollout))
        yield sheet.table(_checks(rehearsal))
        yield from _calendar(rehearsal.rollout, sheet, max_rows)
        yield from _see_all(rehearsal.prepared, sheet, max_rows)
        for title, texts in _faults(rehearsal).items():
            yield from _remarks(title, texts, sheet, max_rows)
        yield from _remarks("Before you apply", rehearsal.prepared.remarks, sheet)

    return Page(build)


def _faults(rehearsal: Rehearsal) -> Mapping[str, Sequence[str]]:
    """Everything that went wrong, by heading."""
    back, watch = rehearsal.rollback_outcome, rehearsal.watch
    return {
        "Broken on the way": rehearsal.findings,
        "The end differs from the plan": rehearsal.end_differences,
        "The rollback left differences": rehearsal.rollback_differences,
        "Not made": _reasons(rehearsal.outcome),
        "Not taken back": [] if back is None else _reasons(back),
        "Alarms of the watch": [] if watch is None else [f"{short_id(vm.vm)}: {vm.reason}" for vm in watch.alarms],
    }


def _rehearsed(rehearsal: Rehearsal) -> str:
    """Verdict on a plan; a plan that changes nothing has not been tested."""
    if not rehearsal.flawless:
        return "Rehearsal: the plan cannot be carried out as it is; see below"
    if not rehearsal.prepared.writes:
        return "Rehearsal: the plan changes nothing, so there was nothing to rehearse"
    return "Rehearsal: the plan can be carried out completely and rolled back"


def _checks(rehearsal: Rehearsal) -> Table:
    made, planned = len(rehearsal.outcome.done), len(rehearsal.prepared.writes)
    results = {
        "writes made": f"{made:,} of {planned:,}, in {plural(rehearsal.rollout.num_days, 'day')}",
        "intermediate states: limits, windows, RPO": (
            f"{rehearsal.num_writes:,} checked: {plural(len(rehearsal.findings), 'finding')}"
        ),
        "the end equals the plan": _equal(rehearsal.end_differences, "yes", "no"),
        "the first backups after": _first_backups(rehearsal),
        "the rollback restores the start": _restored(rehearsal),
    }
    columns: tuple[Column[tuple[str, str]], ...] = (
        text("what", lambda check: check[0]),
        prose("result", lambda check: check[1], share=1),
    )
    return Table.of("Checks", columns, list(results.items()))


def _first_backups(rehearsal: Rehearsal) -> str:
    if rehearsal.watch is None:
        return "not looked at: nothing was written"
    verdicts = rehearsal.watch.verdicts
    watched = f"{plural(verdicts['ok'], 'VM')} backed up at the new time, {plural(verdicts['alarm'], 'alarm')}"
    late = verdicts["waiting"] + verdicts["unknown"]
    return f"{watched}, {late} not known" if late else watched


def _restored(rehearsal: Rehearsal) -> str:
    if rehearsal.rollback_outcome is None:
        return "not tried: nothing was written"
    if not rehearsal.rollback_outcome.complete:
        return "no: not every write was rolled back"
    return _equal(rehearsal.rollback_differences, "yes", "no")


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

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        yield Text(f"{prepared.command} {prepared.plan_path}", style="bold")
        yield Text(_extent(prepared.rollout))
        if prepared.num_made:
            yield Text(f"{plural(prepared.num_made, 'write')} of {len(prepared.writes):,} made before, by the journal")
        yield from (Text(line) for line in _who_and_what(prepared))
        yield from sheet.heading("Rules of the plan")
        yield sheet.bullets(rules_in_force(prepared.plan.rules))
        yield from _calendar(prepared.rollout, sheet, max_rows)
        yield from _see_all(prepared, sheet, max_rows)
        yield from _remarks("Before you go on", prepared.remarks, sheet)

    return Page(build)


def _see_all(prepared: Prepared, sheet: Sheet, max_rows: int | None) -> Iterator[RenderableType]:
    """How to see, before confirming, the writes that the table leaves out."""
    if max_rows is None or len(prepared.rollout.writes) <= max_rows:
        return
    is_rollback = prepared.command == "rollback"
    commands = prepared.commands
    command = commands.report_journal() if is_rollback else commands.rehearse(*prepared.scope.words())
    yield Text()
    yield Text("To see every write" + (" that is rolled back:" if is_rollback else ":"))
    yield from sheet.commands(command, _INDENT)


def _who_and_what(prepared: Prepared) -> Iterator[str]:
    """Part of the plan that is written, approval, fingerprint and journal."""
    if narrowed := _narrowed(prepared):
        yield "a part of the plan: " + ", ".join(narrowed)
    approval = prepared.approval
    named = [f"approved by {approval.approved_by}"] if approval.approved_by else []
    named += [f"ticket {approval.ticket}"] if approval.ticket else []
    if named:
        yield ", ".join(named)
    yield f"plan: {prepared.plan.fingerprint}"
    yield f"journal: {prepared.journal_path}"


def _narrowed(prepared: Prepared) -> list[str]:
    """Options that select a part of the plan."""
    options = prepared.scope.options()
    narrowed = [f"--only {chosen}" for chosen in options.get("only", ())]
    narrowed += [f"--max-moves {options['max_moves']}"] if "max_moves" in options else []
    narrowed += [f"--wave {options['wave']:g}: {plural(len(prepared.pilot), 'VM')} first"] if "wave" in options else []
    return narrowed


def render_outcome(outcome: RunOutcome, prepared: Prepared, max_rows: int | None = SHOWN) -> Page:
    """Render how a run of ``apply`` or ``rollback`` ended, and what to do next."""

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        yield Text(_ended(outcome, prepared), style="bold")
        table = _not_made(outcome, prepared, max_rows)
        if table.cells:
            yield sheet.table(table)
        if outcome.found:
            writes = plural(len(outcome.found), "write")
            yield Text(f"{writes} found in place: somebody else made the change, and a rollback leaves it as it is")
        steps = list(next_steps(outcome, prepared))
        yield from sheet.heading("Next") if steps else ()
        for step in steps:
            yield sheet.bullets([step.what])
            yield from sheet.commands(step.command, _INDENT)

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


def _not_made(outcome: RunOutcome, prepared: Prepared, max_rows: int | None) -> Table:
    by_number = {write.number: write for write in (*prepared.writes, *prepared.begun)}
    reasons = {
        "failed": {write: outcome.reasons.get(write, "") for write in outcome.failed},
        "skipped": {write: outcome.reasons.get(write, "") for write in outcome.skipped},
        "blocked": {blocked.write.number: blocked.reason for blocked in outcome.blocked},
        "pending": outcome.pending,
    }
    left = {write: (state, why) for state, texts in reasons.items() for write, why in texts.items()}
    columns: tuple[Column[tuple[int, tuple[str, str]]], ...] = (
        number("no.", lambda row: f"{row[0]}"),
        text("", lambda row: row[1][0]),
        text("", lambda row: VERBS[by_number[row[0]].kind]),
        text("what", lambda row: by_number[row[0]].name, share=1),
        prose("why", lambda row: row[1][1], share=2),
    )
    return Table.of("Not made", columns, list(left.items()), most=max_rows)
