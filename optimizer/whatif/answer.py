"""What-if answers: the plan for a changed estate or changed rules, compared with the plan for the present ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from optimizer.engine import SERIAL, Engine
from optimizer.estate import Estate
from optimizer.model.arrays import IntArray
from optimizer.model.rules import Rules, Threshold
from optimizer.model.timegrid import format_start
from optimizer.plan import Case, Tell, prepare_forecast
from optimizer.ports import Progress, ignore, no_progress
from optimizer.risk.forecast import Forecast
from optimizer.solve import NoScheduleError, NotFoundWithinEffortError, Search
from optimizer.whatif.apply import Applied, apply_scenario, with_copies
from optimizer.whatif.compare import broken_by, noticed, plan_figures, schedule_figures, start_changes, worth_a_move
from optimizer.whatif.document import NewVm, PlanFigures, Range, ScenarioAnswer, WhatIf
from optimizer.whatif.planned import Planned, Planner
from optimizer.whatif.scenario import Scenario


def what_if(
    estate: Estate,
    scenarios: Sequence[Scenario],
    rules: Rules | None = None,
    *,
    seed: int = 0,
    effort: int = Search.effort,
    gap: float = 0.0,
    time_limit_seconds: float | None = None,
    history: str | Path | Iterable[str | Path] = (),
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
    tell: Tell = ignore,
    tell_of_scenario: Callable[[str], Tell] = lambda _: ignore,
) -> WhatIf:
    """Plan an estate as it is and as it would be, and report the differences.

    Each plan is verified like any other.  None is written, so none can be applied by mistake.  A scenario is solved
    from the base plan's schedule, and keeps as much of it as it can without extra cost.

    Parameters
    ----------
    estate
        Estate to plan.
    scenarios
        Scenarios to compare; :meth:`Scenario.parse` parses the text of the command line.
    rules
        Rules without the scenarios.  None: the defaults.
    seed, effort, gap, time_limit_seconds
        Settings of the solver, for each plan.  The default gap of 0 makes sure that even small differences show.
    history
        Journals, applied plans, or folders with journals; see :func:`optimizer.workflow.make_plan`.
    engine
        Engine on which independent parts run.
    progress
        Called with the progress of the work.
    tell
        Called with each reason why the present rules allow no schedule, and each way to make one possible, as soon as
        it is proven.
    tell_of_scenario
        Returns the same kind of function for the scenario of a given name.

    Raises
    ------
    ConfigError
        A scenario does not fit the estate or the rules.
    NoScheduleError
        No schedule keeps the present rules.
    """
    rules = rules if rules is not None else Rules()
    applied = [apply_scenario(estate, rules, scenario) for scenario in scenarios]  # reports mistakes before any work
    planner = Planner(Search(seed, effort, gap, time_limit_seconds), engine, progress, tell)
    base = planner.plan(estate, planner.prepare(estate, rules, history))
    forecasts = {rules.threshold: base.case.forecast}
    answers = [
        _answer(base, scenario, one, forecasts, planner.numbered(number, tell_of_scenario(scenario.name)))
        for number, (scenario, one) in enumerate(zip(scenarios, applied, strict=True), start=1)
    ]
    return WhatIf(
        as_of=estate.as_of, base=plan_figures(base), worth_a_move=worth_a_move(rules), scenarios=tuple(answers)
    )


def _answer(
    base: Planned,
    scenario: Scenario,
    applied: Applied,
    forecasts: dict[Threshold, Forecast],
    planner: Planner,
) -> ScenarioAnswer:
    unchanged = applied.document is base.estate.document and applied.rules == base.case.rules
    case = base.case if unchanged else _changed_case(base, applied, forecasts, planner)
    kept = _kept(base, case, applied)
    planned: Planned = base
    why: NoScheduleError | NotFoundWithinEffortError | None = None
    if not unchanged:
        estate = Estate(base.estate.path, applied.document)
        try:
            planned = planner.plan(estate, case, kept)
        except (NoScheduleError, NotFoundWithinEffortError) as exc:
            why = exc
    figures, before = plan_figures(planned) if why is None else None, plan_figures(base)
    elsewhere = () if why is not None else start_changes(base, planned, kept)
    return ScenarioAnswer(
        name=scenario.name,
        changes=tuple(map(str, scenario.changes)),
        notes=(*applied.notes, *(note for note in planned.plan.notes if note not in base.plan.notes)),
        policies_made=applied.made,
        vms_rehomed=len(applied.rehomed),
        plan=figures,
        kept=schedule_figures(case, kept),
        broken=broken_by(case, kept),
        no_schedule=None if why is None else _reason(why),
        ways_out=() if why is None or why.answer is None else tuple(one.sentence for one in why.answer.relaxations),
        optimum_change=None if figures is None else _optimum_change(before, figures, unchanged=unchanged),
        start_changes=elsewhere,
        noticed=noticed(((one.cost_change, one.must) for one in elsewhere), worth_a_move(base.case.rules)),
        new_vms=() if why is not None else _new_vms(planned, applied),
    )


def _changed_case(base: Planned, applied: Applied, forecasts: dict[Threshold, Forecast], planner: Planner) -> Case:
    """Case of a scenario: only for another threshold is the load read again; otherwise, the forecast is enough."""
    threshold = applied.rules.threshold
    if threshold not in forecasts:
        forecasts[threshold] = planner.prepare(base.estate, applied.rules).forecast
    inventory = Estate(base.estate.path, applied.document).inventory(applied.rules.service_from)
    return prepare_forecast(
        inventory, applied.rules, with_copies(forecasts[threshold], applied.copies), base.case.recently_moved
    )


def _kept(base: Planned, case: Case, applied: Applied) -> IntArray:
    """The base plan's schedule for the VMs of a scenario; new VMs start with their models."""
    starts = base.starts()
    ids = [item.vm_id for item in case.inventory.items]
    return np.array([starts[applied.copies.get(vm_id, vm_id)] for vm_id in ids], dtype=np.int64)


def _optimum_change(before: PlanFigures, after: PlanFigures, *, unchanged: bool) -> Range:
    """Range of the change of the optimum; each optimum lies between the bound and the cost of its plan."""
    if unchanged:
        return Range(low=0.0, high=0.0)
    return Range(
        low=round(after.bound - before.cost.total, 6) + 0.0, high=round(after.cost.total - before.bound, 6) + 0.0
    )


def _reason(error: NoScheduleError | NotFoundWithinEffortError) -> str:
    """Reason why no schedule exists, without the ways out."""
    if isinstance(error, NoScheduleError):
        return "\n".join(error.answer.reasons())
    return error.headline


def _new_vms(planned: Planned, applied: Applied) -> tuple[NewVm, ...]:
    starts = planned.starts()
    return tuple(NewVm(vm=new, like=model, start=format_start(starts[new])) for new, model in applied.copies.items())
