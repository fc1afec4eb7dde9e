"""A journal for auditors: runs, approvals, each object before and after, failures, and what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from optimizer.arm import read_schedule
from optimizer.journal import (
    Commands,
    DoneRecord,
    EndRecord,
    FailedRecord,
    IntentRecord,
    JournalState,
    Record,
    RunRecord,
    SkippedRecord,
    state_of,
)
from optimizer.model.raw import properties_of
from optimizer.model.timegrid import format_start
from optimizer.ports import Resource
from optimizer.report.formats import plural, short_id
from optimizer.report.table import Column, Table, number, prose, text
from optimizer.report.terminal.sheet import Page, Sheet
from optimizer.report.wording.changes import VERBS

_Trouble = FailedRecord | SkippedRecord


def render_journal(records: Sequence[Record], path: Path | None = None) -> Page:
    """Render a whole journal, so that an auditor sees every write.

    Parameters
    ----------
    records
        Records of the journal.
    path
        Path of the journal, for the command that continues with it.
    """
    state = state_of(records)

    def build(sheet: Sheet) -> Iterator[RenderableType]:
        runs = list(_runs(records))
        if not runs:
            yield Text("The journal is empty: nothing was written", style="bold")
            return
        first = runs[0].begin
        yield sheet.line(f"Journal of {first.command} {first.plan}", "bold")
        yield sheet.line(f"plan {first.plan_fingerprint}")
        yield Text(_totals(runs, state))
        yield from sheet.heading("Runs")
        yield sheet.bullets([_describe_run(run) for run in runs])
        for vault_id, lines in _writes(state, records, sheet).items():
            yield from sheet.heading(f"Writes in vault {short_id(vault_id)}")
            yield sheet.bullets(lines)
        troubles = _troubles(records, state)
        if troubles.cells:
            yield sheet.table(troubles)
        yield from _left(runs, state, path, sheet)

    return Page(build)


@dataclass
class _Run:
    """A run and its end; the end is None if the run did not end."""

    begin: RunRecord
    end: EndRecord | None = None


def _runs(records: Sequence[Record]) -> Iterator[_Run]:
    run = None
    for record in records:
        if isinstance(record, RunRecord):
            if run is not None:
                yield run
            run = _Run(record)
        elif isinstance(record, EndRecord) and run is not None:
            run.end = record
    if run is not None:
        yield run


def _totals(runs: Sequence[_Run], state: JournalState) -> str:
    end = runs[-1].end
    counts = {
        "found in place": len(state.found),
        "failed": len(state.failed),
        "skipped": len(state.skipped),
        "begun without a known end": len(state.open),
        "pending": end.pending if end else 0,
    }
    made = plural(len(state.done) - len(state.found), "write")
    return ", ".join([f"{made} made", *(f"{count:,} {what}" for what, count in counts.items() if count)])


def _describe_run(run: _Run) -> str:
    begin = run.begin
    parts = [f"{begin.command} {begin.run} by {begin.who} from {_minute(begin.at)} UTC"]
    parts.append(f"approved by {begin.approved_by}" if begin.approved_by else "no approval recorded")
    parts += [f"ticket {begin.ticket}"] if begin.ticket else []
    parts += [f"{key} {_plain(value)}" for key, value in begin.options.items()]
    parts.append(begin.program)
    if run.end is None:
        return ", ".join(parts) + "; it did not end: it was killed, or it is still running"
    end = run.end
    counts = f"{end.done:,} done, {end.failed:,} failed, {end.skipped:,} skipped, {end.pending:,} pending"
    return ", ".join(parts) + f"; ended {_minute(end.at)} UTC with {counts}"


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _writes(state: JournalState, records: Sequence[Record], sheet: Sheet) -> dict[str, list[str]]:
    """One line per write, by vault, with full names, because auditors look them up."""
    tries = Counter(record.number for record in records if isinstance(record, IntentRecord))
    lines: dict[str, list[str]] = {}
    for count, after in _found_in_place(state):
        object_id = str(after["id"])
        vault_id, _, _ = object_id.partition("/backup")
        name = properties_of(after).get("friendlyName") or short_id(object_id).rpartition(";")[2]
        when = _minute(state.done[count].at)
        lines.setdefault(vault_id, []).append(
            f"{count} {name}: found in place {when} UTC, not written by this journal"
        )
    for count, intent in sorted(state.intents.items()):
        done = state.done.get(count)
        again = f", try {tries[count]}" if tries[count] > 1 else ""
        what = f"{count} {VERBS[intent.kind]} {intent.name}: {_before_and_after(intent, done, sheet)}"
        lines.setdefault(intent.vault_id, []).append(
            f"{what}; {_end(count, state)}{again} {_moment(done, intent)} UTC"
        )
    return lines


def _found_in_place(state: JournalState) -> Iterator[tuple[int, Resource]]:
    """Writes that were in place already, with the object as it was read; older versions did not record that."""
    for count in sorted(state.found):
        after = state.done[count].after
        if after is not None:
            yield count, after


def _moment(done: DoneRecord | None, intent: IntentRecord) -> str:
    return _minute((done or intent).at)


def _end(number: int, state: JournalState) -> str:
    if number in state.done:
        return "made" if state.done[number].how == "written" else "found"
    if number in state.failed:
        return "failed"
    return "skipped" if number in state.skipped else "not known"


def _before_and_after(intent: IntentRecord, done: DoneRecord | None, sheet: Sheet) -> str:
    """State that was read before and state that was read after; if there was none, the intended state."""
    after = done.after if done is not None else _intended(intent)
    before_text = _state(intent.kind, intent.before, sheet)
    after_text = _state(intent.kind, after, sheet)
    moved = f" ({plural(len(intent.vms), 'VM')})" if intent.kind == "edit_policy" else ""
    return f"{before_text} {sheet.arrow} {after_text}{moved}"


def _intended(intent: IntentRecord) -> Resource | None:
    return None if intent.body is None else {"properties": intent.body}


def _state(kind: str, resource: Resource | None, sheet: Sheet) -> str:
    if resource is None:
        return sheet.dash
    properties: Mapping[str, object] = properties_of(resource)
    if kind == "reassign_item":
        return short_id(str(properties.get("policyId") or "no policy"))
    try:
        return format_start(read_schedule(properties).start)
    except (ValueError, KeyError):
        return "?"


def _troubles(records: Sequence[Record], state: JournalState) -> Table:
    """Every refusal and every write that was given up, in order of time, including retried ones."""

    def name(record: _Trouble) -> str:
        intent = state.intents.get(record.number)
        return "" if intent is None else intent.name

    columns: tuple[Column[_Trouble], ...] = (
        number("no.", lambda record: f"{record.number}"),
        text("", lambda record: "failed" if isinstance(record, FailedRecord) else "skipped"),
        text("object", name, share=1),
        text("at (UTC)", lambda record: _minute(record.at)),
        prose("why", _why, share=2),
    )
    troubles = [record for record in records if isinstance(record, FailedRecord | SkippedRecord)]
    return Table.of("Refused and skipped", columns, troubles)


def _why(record: _Trouble) -> str:
    if isinstance(record, SkippedRecord):
        return record.reason
    return f"{record.error} ({record.code})" if record.code and record.code not in record.error else record.error


def _left(runs: Sequence[_Run], state: JournalState, path: Path | None, sheet: Sheet) -> Iterator[RenderableType]:
    """Open ends of the last run; nothing if it ended and left nothing to do."""
    texts = [
        f"write {number} ({VERBS[state.intents[number].kind]} {state.intents[number].name}) was begun and its end is "
        "not known: --resume checks Azure first and writes only what is missing"
        for number in sorted(state.open)
    ]
    last = runs[-1]
    if last.end is not None and last.end.pending:
        texts.append(f"{plural(last.end.pending, 'write')} still to be made")
    if last.end is not None and not texts:
        return
    yield from sheet.heading("Left to do")
    way_on = "to go on, run this with the --estate, --cloud, --emulator and --ca-file that the run had:"
    yield sheet.bullets([*texts, way_on])
    yield from sheet.commands(_command(last.begin, path), 6)


def _command(run: RunRecord, path: Path | None) -> str:
    """Command that continues with a journal, with PLAN or JOURNAL in place of a file that is not next to it."""
    journal = path or Path("plan.journal.jsonl")
    plan = journal.with_name(run.plan)
    if run.command == "rollback":
        stem = journal.name.removesuffix(".jsonl").removesuffix(".rollback")
        applied = [journal.with_name(stem + ending) for ending in (".journal.jsonl", ".jsonl")]
        existing = next((candidate for candidate in applied if candidate.exists()), Path("JOURNAL"))
        return Commands(plan, existing).rollback(resume=True)
    return Commands(plan if plan.exists() else Path("PLAN"), journal).apply()
