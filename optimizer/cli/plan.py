"""Commands that make or read a plan: plan, explain, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from optimizer.cli.console import ESTATE, FILE, Screen, common_options, current_clock, example
from optimizer.cli.engine import EngineChoice, engine_options
from optimizer.cli.rules import history_option, rules_options
from optimizer.cli.search import SearchSettings, search_options
from optimizer.cli.what_if import refuse_questions
from optimizer.errors import EstateError

if TYPE_CHECKING:
    from optimizer.documents import PlanDocument
    from optimizer.estate import Estate
    from optimizer.model.rules import Rules

HAS_CHANGES = 10
"""Exit code of ``plan --detailed-exitcode`` where the plan changes anything."""

ESTATE_OPTION = click.option(
    "--estate",
    "estate_folder",
    type=ESTATE,
    help="Folder or URL of the estate.  [default: the one named in the plan]",
)


def require_writable(path: Path, option: str) -> None:
    """Refuse a target before the work is done rather than after it.

    Parameters
    ----------
    path
        The file to be written.
    option
        Where the user named it.

    Raises
    ------
    EstateError
        The folder does not exist or may not be written to.
    """
    folder = path.parent
    if not folder.is_dir():
        raise EstateError(f"{path}: the folder {folder} does not exist; make it, or write elsewhere with {option}")
    if path.is_dir():
        raise EstateError(f"{path}: is a folder; give the name of a file")
    if not os.access(folder, os.W_OK):
        raise EstateError(f"{path}: the folder {folder} cannot be written to; choose another with {option}")


def _check_zone(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    """Refuse a time zone that does not exist.

    Raises
    ------
    click.BadParameter
        There is no such time zone; the message suggests names.
    """
    if name is None:
        return None
    from optimizer.model.timegrid import resolve_zone

    try:
        resolve_zone(name)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc
    return name


@click.command(
    short_help="Find a better schedule for an estate.",
    epilog=example(
        "backup-optimizer plan estate --rules rules.toml --out plan.json\n"
        "backup-optimizer plan estate --moves-curve\n"
        "backup-optimizer plan estate --max-moves 20 --history plan.journal.jsonl\n"
        "backup-optimizer plan estate --rules rules.toml --max-moves 20 --toward\n"
        "backup-optimizer plan estate --from plan.json --out plan-2.json\n"
        "backup-optimizer report plan.json"
    ),
)
@click.argument("estate", type=ESTATE)
@refuse_questions  # before the rules are read
@rules_options
@click.option("--out", type=FILE, default=Path("plan.json"), show_default=True, help="File to write the plan to.")
@search_options()
@history_option
@click.option(
    "--from",
    "earlier",
    type=FILE,
    metavar="PLAN",
    help="Earlier plan of this estate to stay close to. Its start times are kept as long as they are within --gap of "
    "the best ones and more VMs keep them than without this option; beyond that, only VMs that gain by it start "
    "elsewhere.",
)
@click.option(
    "--toward",
    is_flag=True,
    help="If the rules need more moves than --max-moves (or max_moves in the rules) allows, make the best first step: "
    "no rule is broken more than today, as few VMs as possible still break one, and the plan says how many monthly "
    "plans it takes. Repeat it after each plan is applied, with --from that plan.",
)
@click.option("--moves-curve", is_flag=True, help="Also show what fewer moves would gain, to help choose --max-moves.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 10 if the plan contains changes, with 0 if not.")
@engine_options
@common_options
def plan(
    screen: Screen,
    estate: str | Path,
    out: Path,
    rules: Rules,
    search: SearchSettings,
    history: tuple[Path, ...],
    earlier: Path | None,
    toward: bool,
    moves_curve: bool,
    detailed_exitcode: bool,
    engine: EngineChoice,
) -> None:
    """Find a better schedule for ESTATE (a folder or a URL) and write it as a verified plan.

    No service is backed up all at once if spreading it costs less than prices.all_at_once (by default 1 at-risk
    backup per 30 days) in risk, working hours, vault peaks, policy writes and moves, within your rules and limits and
    with all other VMs where they are. All at once means that the start windows of all its VMs overlap at some time of
    the week; spread means that its VMs start at least two hours apart, or that its windows do not all overlap. The
    plan lists services that are still backed up all at once, with the price of spreading them, or says that it is
    impossible.

    This command changes nothing in Azure. With --format json it prints the summary; the plan itself is in the file.
    """
    from optimizer.documents import rollback_path, write_plan, write_rollback
    from optimizer.estate import open_estate
    from optimizer.report import last_line, render_plan
    from optimizer.workflow import make_plan

    if toward and moves_curve:
        raise click.UsageError("--toward cannot be combined with --moves-curve; leave one of them out")
    opened = open_estate(estate)
    require_writable(out, "--out")
    with (
        stopped_without_plan(),
        engine.open() as workers,
        screen.progress() as progress,
    ):
        made = make_plan(
            opened,
            rules,
            **search,
            path=out,
            history=history,
            earlier=earlier,
            moves_curve=moves_curve,
            toward=toward,
            engine=workers,
            progress=progress,
            tell=screen.tell,
            clock=current_clock(),
        )
    write_plan(made, out)
    write_rollback(made, opened.document, rollback_path(out))
    screen.show(render_plan(made), _summary_json(made), last_line(made))
    if not history:
        _point_out_journals(screen, out, opened, rules)
    screen.remark(f"plan: {out}")
    screen.remark(f"rollback file: {rollback_path(out)}")
    if detailed_exitcode and made.changes:
        sys.exit(HAS_CHANGES)


@contextmanager
def stopped_without_plan() -> Iterator[None]:
    """On Ctrl-C, explain that no plan was written and how to keep the best one found."""
    try:
        yield
    except KeyboardInterrupt as exc:
        click.echo(err=True)  # the terminal shows ^C
        raise click.Abort(
            "no plan was written; to keep the best schedule found within a time, use --time-limit SECONDS"
        ) from exc


def _summary_json(plan: PlanDocument) -> str:
    """The summary as JSON, with the moves curve and the state of the history if they were requested."""
    import json

    content = plan.summary.model_dump(mode="json")
    if plan.settings.history:
        content["history"] = [source.model_dump(mode="json") for source in plan.settings.history]
    if plan.moves_curve is not None:
        content["moves_curve"] = plan.moves_curve.model_dump(mode="json")
    return json.dumps(content, indent=1)


def _point_out_journals(screen: Screen, out: Path, estate: Estate, rules: Rules) -> None:
    """Point out journals beside the plan that moved VMs of its estate: a plan uses only those that --history names."""
    from optimizer.workflow import find_journals

    every = sorted(out.parent.glob("*.journal.jsonl"))
    found = find_journals(every, estate, rules)
    if found:
        more, records = (f" and {len(found) - 1} more", "record") if len(found) > 1 else ("", "records")
        option = " ".join(f"--history {path}" for path in found) if found != every else f"--history {out.parent}"
        screen.remark(
            f"{found[0].name}{more} beside {out} {records} which VMs were moved; with {option}, VMs that moved "
            "recently stay unless moving them again clearly pays"
        )


@click.command(
    short_help="Explain why a VM moves or stays.", epilog=example("backup-optimizer explain plan.json sql-prod-03")
)
@click.argument("plan_file", metavar="PLAN", type=FILE)
@click.argument("vm")
@ESTATE_OPTION
@engine_options
@common_options
def explain(screen: Screen, plan_file: Path, vm: str, estate_folder: str | Path | None, engine: EngineChoice) -> None:
    """Explain why VM (a name or an ARM id) moves or stays in PLAN.

    Shows its load over the day, today's start beside the proposed one, the next best two starts and their cost, and
    the rules or limits that forbid better starts.
    """
    from optimizer.documents import open_estate_of, read_plan
    from optimizer.report import render_explanation
    from optimizer.workflow import explain_vm

    made = read_plan(plan_file)
    estate = open_estate_of(made, plan_file, estate_folder)
    with engine.open() as workers, screen.progress() as progress:
        explanation = explain_vm(made, estate, vm, engine=workers, progress=progress)
    screen.show(render_explanation(explanation), explanation.model_dump_json(indent=1))


@click.command(
    short_help="Show a plan or a journal.",
    epilog=example(
        "backup-optimizer report plan.json\n"
        "backup-optimizer report plan.json --html report.html --zone Europe/Berlin\n"
        "backup-optimizer report plan.json --limits\n"
        "backup-optimizer report plan.json --limits --html report.html\n"
        "backup-optimizer report plan.journal.jsonl"
    ),
)
@click.argument("file", metavar="PLAN|JOURNAL", type=FILE)
@click.option("--html", "page", type=FILE, help="Write an HTML page with charts: one file that works offline.")
@click.option(
    "--limits",
    "with_limits",
    is_flag=True,
    help="Show which limits bind and what one more of each would save. Takes some seconds. With --html, the page "
    "shows it as well.",
)
@click.option(
    "--zone",
    metavar="NAME",
    show_default="UTC",
    callback=_check_zone,
    help="Time zone that the page shows at first, such as Europe/Berlin. Its reader can choose another one.",
)
@ESTATE_OPTION
@common_options
def report(
    screen: Screen,
    file: Path,
    page: Path | None,
    with_limits: bool,
    zone: str | None,
    estate_folder: str | Path | None,
) -> None:
    """Show a PLAN, or the JOURNAL of an 'apply' or 'rollback'.

    For a plan: what it gains, what it changes, and where every VM goes. For a journal, as an auditor needs it: who
    changed what, when, for which plan, and with whose approval.
    """
    from optimizer.journal import is_journal

    if zone is not None and page is None:
        raise click.UsageError("--zone is the time zone of the page; give --html FILE as well, or leave out --zone")
    if is_journal(file):
        if page is not None:
            raise click.UsageError("--html works for a plan only; a journal is shown as text or as JSON")
        if with_limits:
            raise click.UsageError("--limits works for a plan only, not for a journal")
        _show_journal(screen, file)
    elif with_limits:
        _show_limits(screen, file, page, zone or "UTC", estate_folder)
    else:
        _show_plan(screen, file, page, zone or "UTC", estate_folder)


def _show_journal(screen: Screen, file: Path) -> None:
    import json

    from optimizer.journal import read_journal
    from optimizer.report import render_journal

    records = read_journal(file)
    content = [record.model_dump(mode="json") for record in records]
    screen.show(render_journal(records, file), json.dumps(content, indent=1))


def _show_limits(
    screen: Screen, plan_file: Path, page: Path | None, zone: str, estate_folder: str | Path | None
) -> None:
    import json

    from optimizer.documents import open_estate_of, read_plan
    from optimizer.report import render_limits
    from optimizer.workflow import price_plan_limits, write_report

    made = read_plan(plan_file)
    estate = open_estate_of(made, plan_file, estate_folder)
    if page is not None:
        require_writable(page, "--html")
    with screen.progress() as progress:
        prices = price_plan_limits(made, estate, progress=progress)
    if page is not None:
        write_report(made, estate, page, prices, zone)
        screen.remark(f"report: {page}")
    screen.show(
        render_limits(prices), json.dumps({"limits": [price.model_dump(mode="json") for price in prices]}, indent=1)
    )


def _show_plan(
    screen: Screen, plan_file: Path, page: Path | None, zone: str, estate_folder: str | Path | None
) -> None:
    from optimizer.documents import open_estate_of, read_plan
    from optimizer.report import last_line, render_report
    from optimizer.workflow import write_report

    made = read_plan(plan_file)
    estate = open_estate_of(made, plan_file, estate_folder)
    if page is not None:
        require_writable(page, "--html")
        write_report(made, estate, page, zone=zone)
        screen.remark(f"report: {page}")
    shown = render_report(made, estate.inventory(made.rules.service_from))
    screen.show(shown, made.model_dump_json(indent=1), last_line(made))
