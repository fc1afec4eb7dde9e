"""A journal for auditors: runs, approvals, each object before and after, failures, and what is left."""

from __future__ import annotations

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
from optimizer.report.terminal.rollout import VERBS
from optimizer.report.terminal.sheet import Column, Glyphs, Page, Rows, bullets, number, plural, short_id, table
from optimizer.report.terminal.shell import command_lines


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

    def build(glyphs: Glyphs, width: int) -> Iterator[RenderableType]:
        runs = list(_runs(records))
        if not runs:
            yield Text("The journal is empty: nothing was written", style="bold")
            return
        first = runs[0].begin
        yield Text(glyphs.clean(f"Journal of {first.command} {first.plan}"), style="bold")
        yield Text(glyphs.clean(f"plan {first.plan_fingerprint}"))
        yield Text(_totals(runs, state))
        yield Text()
        yield Text("Runs", style="bold")
        yield bullets([_describe_run(run) for run in runs], glyphs)
        for vault_id, lines in _writes(state, records, glyphs).items():
            yield Text()
            yield Text(glyphs.clean(f"Writes in vault {short_id(vault_id)}"), style="bold")
            yield bullets(lines, glyphs)
        troubles = _troubles(records, state)
        if troubles.cells:
            yield table(troubles, glyphs, width)
        yield from _left(runs, state, path, glyphs, width)

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
    parts = [f"{plural(len(state.done) - len(state.found), 'write')} made"]
    parts += [f"{len(state.found):,} found in place"] if state.found else []
    parts += [f"{len(state.failed):,} failed"] if state.failed else []
    parts += [f"{len(state.skipped):,} skipped"] if state.skipped else []
    parts += [f"{len(state.open):,} begun without a known end"] if state.open else []
    pending = runs[-1].end.pending if runs[-1].end else 0
    parts += [f"{pending:,} pending"] if pending else []
    return ", ".join(parts)


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


def _writes(state: JournalState, records: Sequence[Record], glyphs: Glyphs) -> dict[str, list[str]]:
    """One line per write, by vault, with full names, because auditors look them up."""
    tries: dict[int, int] = {}
    for record in records:
        if isinstance(record, IntentRecord):
            tries[record.number] = tries.get(record.number, 0) + 1
    lines: dict[str, list[str]] = {}
    for count in sorted(state.found):
        after = state.done[count].after
        if after is not None:  # older versions did not record what they read
            place = str(after["id"])
            vault_id, _, _ = place.partition("/backup")
            when = _minute(state.done[count].at)
            name = properties_of(after).get("friendlyName") or short_id(place).rpartition(";")[2]
            text = f"{count} {name}: found in place {when} UTC, not written by this journal"
            lines.setdefault(vault_id, []).append(text)
    for count, intent in sorted(state.intents.items()):
        done = state.done.get(count)
        again = f", try {tries[count]}" if tries[count] > 1 else ""
        what = f"{count} {VERBS[intent.kind]} {intent.name}: {_before_and_after(intent, done, glyphs)}"
        lines.setdefault(intent.vault_id, []).append(
            f"{what}; {_end(count, state)}{again} {_moment(done, intent)} UTC"
        )
    return lines


def _moment(done: DoneRecord | None, intent: IntentRecord) -> str:
    return _minute((done or intent).at)


def _end(count: int, state: JournalState) -> str:
    if count in state.done:
        return "made" if state.done[count].how == "written" else "found"
    if count in state.failed:
        return "failed"
    return "skipped" if count in state.skipped else "not known"


def _before_and_after(intent: IntentRecord, done: DoneRecord | None, glyphs: Glyphs) -> str:
    """State that was read before and state that was read after; if there was none, the intended state."""
    after = done.after if done is not None else _intended(intent)
    before_text = _state(intent.kind, intent.before, glyphs)
    after_text = _state(intent.kind, after, glyphs)
    moved = f" ({plural(len(intent.vms), 'VM')})" if intent.kind == "edit_policy" else ""
    return f"{before_text} {glyphs.arrow} {after_text}{moved}"


def _intended(intent: IntentRecord) -> Resource | None:
    return None if intent.body is None else {"properties": intent.body}


def _state(kind: str, resource: Resource | None, glyphs: Glyphs) -> str:
    if resource is None:
        return glyphs.dash
    properties: Mapping[str, object] = properties_of(resource)
    if kind == "reassign_item":
        return short_id(str(properties.get("policyId") or "no policy"))
    try:
        return format_start(read_schedule(properties).start)
    except (ValueError, KeyError):
        return "?"


def _troubles(records: Sequence[Record], state: JournalState) -> Rows:
    """Every refusal and every write that was given up, in order of time, including retried ones."""
    cells = []
    for record in records:
        if not isinstance(record, FailedRecord | SkippedRecord):
            continue
        intent = state.intents.get(record.number)
        name = intent.name if intent is not None else ""
        if isinstance(record, FailedRecord):
            code = f" ({record.code})" if record.code and record.code not in record.error else ""
            cells.append((f"{record.number}", "failed", name, _minute(record.at), record.error + code))
        else:
            cells.append((f"{record.number}", "skipped", name, _minute(record.at), record.reason))
    columns = (
        number("no."),
        Column(""),
        Column("object", share=1),
        Column("at (UTC)"),
        Column("why", share=2, prose=True),
    )
    return Rows("Refused and skipped", columns, cells)


def _left(
    runs: Sequence[_Run], state: JournalState, path: Path | None, glyphs: Glyphs, width: int
) -> Iterator[RenderableType]:
    texts = [
        f"write {count} ({VERBS[state.intents[count].kind]} {state.intents[count].name}) was begun and its end is "
        "not known: --resume checks Azure first and writes only what is missing"
        for count in sorted(state.open)
    ]
    last = runs[-1]
    pending = last.end.pending if last.end else 0
    texts += [f"{plural(pending, 'write')} still to be made"] if pending else []
    if last.end is not None and not texts:
        return
    yield Text()
    yield Text("Left to do", style="bold")
    way_on = "to go on, run this with the --estate, --cloud, --emulator and --ca-file that the run had:"
    yield bullets([*texts, way_on], glyphs)
    yield from command_lines(_command(last.begin, path), width, 6)


def _command(run: RunRecord, path: Path | None) -> str:
    """Command that continues with a journal, with PLAN or JOURNAL in place of a file that is not next to it."""
    journal = path or Path("plan.journal.jsonl")
    plan = journal.with_name(run.plan)
    if run.command == "rollback":
        stem = journal.name.removesuffix(".jsonl").removesuffix(".rollback")
        applied = [journal.with_name(stem + ending) for ending in (".journal.jsonl", ".jsonl")]
        found = [one for one in applied if one.exists()]
        return Commands(plan, found[0] if found else Path("JOURNAL")).rollback(resume=True)
    return Commands(plan if plan.exists() else Path("PLAN"), journal).apply()
