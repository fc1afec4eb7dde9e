"""``what-if``: how the plan of an estate would change in a scenario, or with other prices."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optimizer.cli.console import ESTATE, FILE, NO_SCHEDULE, Screen, common_options, example, words_given
from optimizer.cli.engine import EngineChoice, engine_options
from optimizer.cli.rules import history_option, rules_options
from optimizer.cli.search import SearchSettings, search_options

if TYPE_CHECKING:
    from optimizer.estate import Estate
    from optimizer.model.rules import Rules
    from optimizer.whatif import Scenario

KEPT = (
    "--rules",
    "--max-moves",
    "--max-policy-writes",
    "--budget-days",
    "--seed",
    "--gap",
    "--prove",
    "--effort",
    "--time-limit",
    "--history",
)
"""Options of ``plan`` that a message about ``what-if`` repeats."""


@click.command(
    "what-if",
    short_help="Show how a plan would change, without writing one.",
    epilog=example(
        "backup-optimizer what-if estate prices.move=0.05\n"
        "backup-optimizer what-if estate \\\n"
        "    add-vms=service=shop,count=20 lose-vault=vault-weu\n"
        "backup-optimizer what-if estate \\\n"
        "    'forbid=2026-03-02..2026-03-08 20:00-06:00,service=shop'\n"
        "backup-optimizer what-if estate --rules rules.toml 'drop-rule=at night'\n"
        "backup-optimizer what-if estate --scenarios scenarios.toml\n"
        "backup-optimizer what-if estate --sensitivity"
    ),
)
@click.argument("estate", type=ESTATE)
@click.argument("changes", metavar="[KIND=VALUE]...", nargs=-1)
@click.option(
    "--scenarios",
    "scenarios_file",
    type=FILE,
    help="TOML file of scenarios to compare. Each [[scenario]] has a name and what_if = [KIND=VALUE, ...].",
)
@click.option(
    "--sensitivity",
    is_flag=True,
    help="Show how the plan changes if each price is halved or doubled, for how many VMs that matters, and which "
    "starts are the same in every schedule within 1 % of the optimum.",
)
@rules_options
@search_options(gap_percent=0.0)
@history_option
@engine_options
@common_options
def what_if(
    screen: Screen,
    estate: str | Path,
    changes: tuple[str, ...],
    scenarios_file: Path | None,
    sensitivity: bool,
    rules: Rules,
    search: SearchSettings,
    history: tuple[Path, ...],
    engine: EngineChoice,
) -> None:
    """Show how the plan for ESTATE (a folder or a URL) would change, without writing a plan.

    The changes KIND=VALUE make one scenario. KIND is a key of the rules file (such as prices.move=0.05), add-vms,
    lose-vault, forbid, add-rule or drop-rule. Each scenario is planned and verified like the present estate, and
    compared with the plan for it: cost, at-risk backups, overlaps, moves, and the VMs that would start at another
    time. --scenarios compares several scenarios; --sensitivity varies the prices instead.

    Nothing is written, so no scenario can be applied by mistake. Exit code 3 means that at least one scenario has no
    schedule; the answer still reports all of them.
    """
    from optimizer.estate import open_estate
    from optimizer.whatif import Scenario, read_scenarios

    if sensitivity and (changes or scenarios_file):
        raise click.UsageError(
            "--sensitivity cannot be combined with KIND=VALUE or --scenarios; run them one at a time"
        )
    if not (changes or scenarios_file or sensitivity):
        raise click.UsageError(
            "nothing to compare: give a change such as prices.move=0.05, or --scenarios FILE, or --sensitivity"
        )
    scenarios = read_scenarios(scenarios_file) if scenarios_file else ()
    if changes:
        scenarios = (*scenarios, Scenario.parse(*changes))
    opened, settings = open_estate(estate), {**search, "history": history}
    if sensitivity:
        _vary_prices(screen, opened, rules, settings, engine)
    else:
        _compare(screen, opened, scenarios, rules, settings, engine)


def _compare(
    screen: Screen,
    estate: Estate,
    scenarios: Sequence[Scenario],
    rules: Rules,
    settings: dict[str, Any],
    engine: EngineChoice,
) -> None:
    from optimizer.report import render_what_if
    from optimizer.workflow import what_if

    with engine.open() as workers, screen.progress() as progress:
        answer = what_if(
            estate,
            scenarios,
            rules,
            engine=workers,
            progress=progress,
            tell=screen.tell,
            tell_of_scenario=screen.tell_of_scenario,
            **settings,
        )
    screen.show(render_what_if(answer), answer.model_dump_json(indent=1))
    if any(scenario.no_schedule is not None for scenario in answer.scenarios):
        sys.exit(NO_SCHEDULE)


def _vary_prices(screen: Screen, estate: Estate, rules: Rules, settings: dict[str, Any], engine: EngineChoice) -> None:
    from optimizer.report import render_sensitivity
    from optimizer.workflow import sensitivity

    with engine.open() as workers, screen.progress() as progress:
        answer = sensitivity(estate, rules, engine=workers, progress=progress, tell=screen.tell, **settings)
    screen.show(render_sensitivity(answer), answer.model_dump_json(indent=1))


def refuse_questions(command: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse the options of ``plan`` that became the command ``what-if``, and show the command to use instead."""

    @click.option("--what-if", "old_changes", multiple=True, hidden=True)
    @click.option("--scenarios", "old_scenarios", hidden=True)
    @click.option("--sensitivity", "old_sensitivity", is_flag=True, hidden=True)
    @wraps(command)
    def without_questions(
        *args: Any,
        estate: str | Path,
        old_changes: tuple[str, ...],
        old_scenarios: str | None,
        old_sensitivity: bool,
        **kwargs: Any,
    ) -> object:
        if old_changes or old_scenarios or old_sensitivity:
            import shlex

            from optimizer.files import hide_password

            words = [
                hide_password(str(estate)),
                *old_changes,
                *(["--scenarios", old_scenarios] if old_scenarios else []),
                *(["--sensitivity"] if old_sensitivity else []),
                *words_given(*KEPT),
            ]
            raise click.UsageError(
                f"'plan' no longer answers what-if questions; use: backup-optimizer what-if {shlex.join(words)}"
            )
        return command(*args, estate=estate, **kwargs)

    return without_questions
