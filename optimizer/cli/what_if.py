"""The command ``what-if``: how the plan of an estate would change in a scenario, or with other prices."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    from optimizer.plan import Planner
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


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a planner: the effect of a scenario, or the influence of the prices.

    Parameters
    ----------
    changes
        Changes of one scenario, as written.
    scenarios_file
        File with several scenarios; None: no file.
    sensitivity
        Whether the prices vary instead.
    """

    changes: tuple[str, ...]
    scenarios_file: Path | None
    sensitivity: bool

    def require_one(self) -> None:
        """Require exactly one question.

        Raises
        ------
        UsageError
            The options do not ask one question.
        """
        if self.sensitivity and (self.changes or self.scenarios_file):
            raise click.UsageError(
                "--sensitivity cannot be combined with KIND=VALUE or --scenarios; run them one at a time"
            )
        if not (self.changes or self.scenarios_file or self.sensitivity):
            raise click.UsageError(
                "nothing to compare: give a change such as prices.move=0.05, or --scenarios FILE, or --sensitivity"
            )

    def scenarios(self) -> tuple[Scenario, ...]:
        """Scenarios of the file, then the one of the command line.

        Raises
        ------
        ConfigError
            The file or a change cannot be used.
        """
        from optimizer.whatif import Scenario, read_scenarios

        listed = read_scenarios(self.scenarios_file) if self.scenarios_file else ()
        return (*listed, Scenario.parse(*self.changes)) if self.changes else listed


def question_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument and the options of a question; the command gets a :class:`Question` as ``question``."""

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
    @wraps(command)
    def with_question(
        *args: Any, changes: tuple[str, ...], scenarios_file: Path | None, sensitivity: bool, **kwargs: Any
    ) -> object:
        question = Question(changes, scenarios_file, sensitivity)
        question.require_one()
        return command(*args, question=question, **kwargs)

    return with_question


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
@question_options
@rules_options
@search_options(gap_percent=0.0)
@history_option
@engine_options
@common_options
def what_if(
    screen: Screen,
    estate: str | Path,
    question: Question,
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
    from optimizer.plan import Planner
    from optimizer.solve import Search

    scenarios = question.scenarios()  # reports mistakes before the estate is read
    opened = open_estate(estate)
    with engine.open() as workers, screen.progress() as progress:
        planner = Planner(Search(**search), workers, progress, screen.tell)
        if question.sensitivity:
            _vary_prices(screen, opened, rules, history, planner)
        else:
            _compare(screen, opened, scenarios, rules, history, planner)


def _compare(
    screen: Screen,
    estate: Estate,
    scenarios: Sequence[Scenario],
    rules: Rules,
    history: Sequence[Path],
    planner: Planner,
) -> None:
    from optimizer.report import render_what_if
    from optimizer.workflow import what_if

    answer = what_if(
        estate, scenarios, rules, history=history, planner=planner, tell_of_scenario=screen.tell_of_scenario
    )
    screen.show(render_what_if(answer), answer.model_dump_json(indent=1))
    if any(scenario.no_schedule is not None for scenario in answer.scenarios):
        sys.exit(NO_SCHEDULE)


def _vary_prices(screen: Screen, estate: Estate, rules: Rules, history: Sequence[Path], planner: Planner) -> None:
    from optimizer.report import render_sensitivity
    from optimizer.workflow import sensitivity

    answer = sensitivity(estate, rules, history=history, planner=planner)
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
