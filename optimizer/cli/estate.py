"""Commands that make or look at an estate: demo, import, audit."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from optimizer.cli.console import (
    ESTATE,
    EXISTING_FILE,
    FILE,
    NEW_FOLDER,
    Screen,
    common_options,
    current_clock,
    example,
)
from optimizer.cli.engine import EngineChoice, engine_options
from optimizer.cli.numbers import WholeNumber
from optimizer.cli.search import DEFAULT_SEED, SearchSettings, search_options


class UtcTime(click.ParamType[datetime]):
    """An instant with its zone, such as ``2026-03-01T00:00Z``."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Aware time in UTC, of the years that the program works with.

        Raises
        ------
        click.BadParameter
            The text is no time, has no zone, or is out of range.
        """
        from optimizer.model.timegrid import in_calendar

        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time; allowed: ISO 8601 such as 2026-03-01T00:00Z", param, ctx)
        if instant.tzinfo is None:
            self.fail(f"{value!r} has no zone; add Z for UTC or an offset such as +01:00", param, ctx)
        try:
            return in_calendar(instant)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


@click.command(
    short_help="Make up an estate, then audit and plan it.",
    epilog=example("backup-optimizer demo backup-demo\nbackup-optimizer explain backup-demo/plan.json vm-name"),
)
@click.argument("folder", metavar="[DIR]", type=NEW_FOLDER, default=Path("backup-demo"))
@click.option(
    "--vms", "num_vms", type=WholeNumber(1, 20_000), default=300, show_default=True, help="Number of VMs to make up."
)
@search_options(
    seed=1, seed_help=f"Random seed of the estate. The search uses the default seed of 'plan', {DEFAULT_SEED}."
)
@common_options
def demo(screen: Screen, folder: Path, num_vms: int, search: SearchSettings) -> None:
    """Make up a realistic estate in DIR, then audit it, plan it, and write a report.

    DIR (default: backup-demo) then contains the estate, plan.json and report.html.
    """
    from optimizer.demo import generate_demo
    from optimizer.documents import rollback_path, write_plan, write_rollback
    from optimizer.estate import open_estate
    from optimizer.plan import prepare
    from optimizer.report import last_line, render_audit, render_plan
    from optimizer.workflow import audit_case, make_plan_of, write_report

    estate_folder, plan_file, page = folder / "estate", folder / "plan.json", folder / "report.html"
    screen.remark(f"making an estate of {num_vms} VMs in {estate_folder}")
    generate_demo(estate_folder, vms=num_vms, seed=search["seed"], clock=current_clock())
    estate = open_estate(estate_folder)
    searched: SearchSettings = {**search, "seed": DEFAULT_SEED}  # so that a plan by hand is the same
    with screen.progress() as progress:
        case = prepare(estate, progress=progress)
        found = audit_case(case)
        made = make_plan_of(
            estate, case, **searched, path=plan_file, progress=progress, tell=screen.tell, clock=current_clock()
        )
    write_plan(made, plan_file)
    write_rollback(made, estate.document, rollback_path(plan_file))
    write_report(made, estate, page)
    if not screen.as_json:
        screen.heading("Audit: today's schedule")
        screen.show(render_audit(found), "", last_line(found))
    screen.heading("Plan: a better schedule")
    screen.show(render_plan(made), made.summary.model_dump_json(indent=1), last_line(made))
    for what, where in (("estate", estate_folder), ("plan", plan_file), ("report", page)):
        screen.remark(f"{what:>6}: {where}")


@click.command(
    "import",
    short_help="Make an estate from files, without Azure.",
    epilog=example(
        "backup-optimizer import --vms vms.csv --load load.parquet --out estate\n"
        "backup-optimizer import --load load.parquet --out estate \\\n"
        "    --resources policies.json items.json vms.json"
    ),
)
@click.argument("more_resources", metavar="[FILE]...", nargs=-1, type=EXISTING_FILE)
@click.option("--vms", type=EXISTING_FILE, help="vms.csv: which VM is backed up by which policy, and when.")
@click.option(
    "--resources",
    type=EXISTING_FILE,
    multiple=True,
    metavar="FILE",
    help="JSON of ARM resources, instead of --vms; further files may follow it.",
)
@click.option(
    "--resource-group",
    default="",
    metavar="ID",
    help="ARM id of the resource group that a template was exported from.",
)
@click.option(
    "--load", type=EXISTING_FILE, required=True, help="Parquet or CSV file: CPU and memory of the VMs over time."
)
@click.option(
    "--zone", metavar="NAME", help="Time zone of times in the load that state none, such as Europe/Berlin or UTC."
)
@click.option("--out", type=NEW_FOLDER, required=True, help="Folder of the estate.")
@click.option("--append", is_flag=True, help="Add to the estate in the folder; old load is not rewritten.")
@click.option("--as-of", type=UtcTime(), help="When the estate was taken.  [default: the last time in the load]")
@click.option("--drop-invalid", is_flag=True, help="Treat load below 0 or above 105 percent as missing.")
@common_options
def import_(
    screen: Screen,
    more_resources: tuple[Path, ...],
    vms: Path | None,
    resources: tuple[Path, ...],
    resource_group: str,
    load: Path,
    zone: str | None,
    out: Path,
    append: bool,
    as_of: datetime | None,
    drop_invalid: bool,
) -> None:
    """Make an estate folder from files, without access to Azure.

    The inventory comes from --vms or from --resources, the load from any monitoring.

    \b
    vms.csv       one line for each VM; commas, semicolons or tabs
                  required: vm, service, vault, policy, frequency, days, time,
                  timezone, retention_days
                  frequency is Daily, Weekly or Hourly; days as Sunday;Wednesday
                  time is HH:MM in timezone (Hourly: start of the window)
                  interval_hours, duration_hours: window of an hourly policy
                  resource_group, subscription, os, location, availability_set,
                  tag:NAME: usable in rules; any other column is kept as a tag
                  vm is a name, or the ARM id if two VMs have the same name
    --resources   JSON as printed by az backup vault list, az backup policy
                  list, az backup item list, az vm list, az lock list, az graph
                  query, REST, or a template export; also one object with the
                  keys vaults, policies, protected_items, vms, vault_settings
    --load        Parquet, or CSV (commas; or semicolons and decimal commas)
                  with vm, ts, cpu_percent, mem_percent [, cpu_max, mem_max,
                  running, resource_group]
                  ts is ISO 8601 with a zone; for times without one, see --zone
                  one interval from 1 to 60 minutes, best 5; gaps are allowed
                  vm is the ARM id, or the name if only one VM has it

    A plan made from --resources can be handed to somebody who may apply it; a plan made from --vms cannot be
    applied. Nothing is written unless all files are sound.
    """  # noqa: D301  # click looks for the character, not for its name
    from optimizer.intake import ImportOptions
    from optimizer.report import render_import
    from optimizer.workflow import import_estate, import_resources

    _check_inputs(vms, resources, more_resources, resource_group)
    with screen.progress() as progress:
        progress("import", 0, 1)
        options: ImportOptions = {
            "append": append,
            "as_of": as_of,
            "drop_invalid": drop_invalid,
            "zone": zone,
            "clock": current_clock(),
        }
        if vms is not None:
            found = import_estate(vms, load, out, **options)
        else:
            files = [*resources, *more_resources]
            found = import_resources(files, load, out, resource_group=resource_group, **options)
        progress("import", 1, 1)
    screen.show(*render_import(found))


def _check_inputs(
    vms: Path | None, resources: tuple[Path, ...], more_resources: tuple[Path, ...], resource_group: str
) -> None:
    if (vms is None) == (not resources):
        raise click.UsageError("give either --vms (a CSV list) or --resources (ARM resources as JSON)")
    if vms is not None and more_resources:
        raise click.UsageError(f"unexpected file {more_resources[0]}; files of ARM resources follow --resources")
    if vms is not None and resource_group:
        raise click.UsageError("--resource-group belongs to templates given with --resources")


@click.command(
    short_help="Report what is wrong with today's schedule.",
    epilog=example(
        "backup-optimizer audit estate\n"
        "backup-optimizer audit estate --rules rules.toml\n"
        "backup-optimizer audit estate --format json > audit.json"
    ),
)
@click.argument("estate", type=ESTATE)
@click.option(
    "--rules", "rules_file", type=FILE, help="Rules file (TOML). Also reports which rules today's schedule breaks."
)
@engine_options
@common_options
def audit(screen: Screen, estate: str | Path, rules_file: Path | None, engine: EngineChoice) -> None:
    """Report what is wrong with today's schedule of ESTATE (a folder or a URL).

    Shows broken rules, the services with the most overlap, those with VMs backed up at once and what it would cost to
    spread them, VMs that are busy in their start window, policies and vaults at their limits, and what is unknown.
    """
    from optimizer.cli.rules import load_rules
    from optimizer.estate import open_estate
    from optimizer.plan import prepare
    from optimizer.report import last_line, render_audit
    from optimizer.workflow import audit_case

    rules = load_rules(rules_file)
    opened = open_estate(estate)
    with engine.open() as workers, screen.progress() as progress:
        found = audit_case(prepare(opened, rules, engine=workers, progress=progress))
    screen.show(render_audit(found), found.model_dump_json(indent=1), last_line(found))
