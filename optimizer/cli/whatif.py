"""Questions that ``plan`` answers instead of writing a plan: ``--what-if``, ``--scenarios``, ``--sensitivity``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from optimizer.cli.console import FILE, Screen
from optimizer.cli.engine import EngineChoice

if TYPE_CHECKING:
    from optimizer.model.rules import Rules

NO_SCHEDULE = 3
"""Exit code where a scenario has no schedule, as of a plan that has none."""

ONLY_FOR_PLANS = {
    "out": "--out",
    "earlier": "--from",
    "moves_curve": "--moves-curve",
    "detailed_exitcode": "--detailed-exitcode",
}
"""Options that only matter to a plan that is written: parameter and name."""


def question_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--what-if``, ``--scenarios`` and ``--sensitivity``."""
    for option in (
        click.option(
            "--sensitivity",
            "asks_sensitivity",
            is_flag=True,
            help="Show how the plan changes if each price is halved or doubled, for how many VMs that matters, and "
            "which starts are the same in every schedule within 1 % of the optimum. Writes no plan.",
        ),
        click.option(
            "--scenarios",
            "scenarios_file",
            type=FILE,
            help="TOML file of scenarios. Each [[scenario]] has a name and what_if = [KIND=VALUE, ...]. Writes no "
            "plan.",
        ),
        click.option(
            "--what-if",
            "what_if_texts",
            metavar="KIND=VALUE",
            multiple=True,
            help="Show how the plan would differ in a scenario. KIND is a key of the rules file (such as "
            "prices.snapshot_overlap=0.05), add-vms, lose-vault, forbid, add-rule or drop-rule. Repeat it to combine "
            "changes. "
            "Writes no plan.",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Questions:
    """What was asked on the command line."""

    what_if: tuple[str, ...]
    scenarios_file: Path | None
    sensitivity: bool

    def __bool__(self) -> bool:
        """Whether anything was."""
        return bool(self.what_if or self.scenarios_file or self.sensitivity)


def answer_questions(
    screen: Screen,
    questions: Questions,
    estate: str | Path,
    rules: Rules,
    solver: dict[str, Any],
    engine: EngineChoice,
) -> None:
    """Answer what was asked.

    Parameters
    ----------
    solver
        Seed, effort, gap, limit of time and history, as of :func:`optimizer.whatif.what_if.what_if`.
    engine
        Where independent parts run.

    Raises
    ------
    click.UsageError
        The options do not go together.
    """
    _refuse_options_of_plans()
    if click.get_current_context().get_parameter_source("gap") is ParameterSource.DEFAULT:
        solver = {**solver, "gap": 0.0}  # the answer is a difference, which a gap would blur
    if questions.sensitivity and (questions.what_if or questions.scenarios_file):
        raise click.UsageError(
            "--sensitivity cannot be combined with --what-if or --scenarios; run them one at a time"
        )
    if questions.sensitivity:
        _answer_sensitivity(screen, estate, rules, solver, engine)
    else:
        _answer_what_if(screen, questions, estate, rules, solver, engine)


def _refuse_options_of_plans() -> None:
    context = click.get_current_context()
    for parameter, name in ONLY_FOR_PLANS.items():
        if context.get_parameter_source(parameter) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{name} is for a plan, and a question writes no plan, so that no scenario is "
                "applied by mistake; to plan with other rules, put them into a rules file"
            )


def _answer_what_if(
    screen: Screen,
    questions: Questions,
    estate: str | Path,
    rules: Rules,
    solver: dict[str, Any],
    engine: EngineChoice,
) -> None:
    from optimizer.estate.folder import open_estate
    from optimizer.report.text_whatif import render_what_if
    from optimizer.whatif.scenario import Scenario, read_scenarios
    from optimizer.whatif.what_if import what_if

    scenarios = list(read_scenarios(questions.scenarios_file)) if questions.scenarios_file else []
    if questions.what_if:
        scenarios.append(Scenario.parse(*questions.what_if))
    opened = open_estate(estate)
    with engine.open() as workers, screen.progress() as progress:
        answer = what_if(
            opened,
            scenarios,
            rules,
            engine=workers,
            progress=progress,
            tell=screen.tell,
            tell_of_scenario=screen.tell_of_scenario,
            **solver,
        )
    screen.show(render_what_if(answer), answer.model_dump_json(indent=1))
    if any(one.no_schedule is not None for one in answer.scenarios):
        sys.exit(NO_SCHEDULE)


def _answer_sensitivity(
    screen: Screen, estate: str | Path, rules: Rules, solver: dict[str, Any], engine: EngineChoice
) -> None:
    from optimizer.estate.folder import open_estate
    from optimizer.report.text_whatif import render_sensitivity
    from optimizer.whatif.sensitivity import sensitivity

    opened = open_estate(estate)
    with engine.open() as workers, screen.progress() as progress:
        answer = sensitivity(opened, rules, engine=workers, progress=progress, tell=screen.tell, **solver)
    screen.show(render_sensitivity(answer), answer.model_dump_json(indent=1))
