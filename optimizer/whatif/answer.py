"""What-if answers: the plan for a changed estate or changed rules, compared with the plan for the present ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from optimizer.estate import Estate
from optimizer.model.arrays import IntArray
from optimizer.model.rules import Rules, Threshold
from optimizer.model.timegrid import format_start
from optimizer.plan import Case, Planned, Planner, Tell, plan_case
from optimizer.ports import ignore
from optimizer.risk import Forecast
from optimizer.solve import NoScheduleError, NotFoundWithinEffortError, Search
from optimizer.whatif.apply import apply_scenario
from optimizer.whatif.changed_estate import ChangedEstate
from optimizer.whatif.compare import broken_by, noticed, plan_figures, schedule_figures, start_changes, worth_a_move
from optimizer.whatif.document import NewVm, Range, ScenarioAnswer, WhatIf
from optimizer.whatif.figures import Noticed, PlanFigures
from optimizer.whatif.scenario import Scenario

PROVING = Planner(Search(gap=0.0))
"""Planner that goes on until plans are proven optimal or its effort is used up, so that small differences show."""


def what_if(
    estate: Estate,
    scenarios: Sequence[Scenario],
    rules: Rules | None = None,
    *,
    history: str | Path | Iterable[str | Path] = (),
    planner: Planner = PROVING,
    tell_of_scenario: Callable[[str], Tell] = lambda _: ignore,
) -> WhatIf:
    """Plan an estate as it is and as it would be, and report the differences.

    Each plan is verified like any other. None is written, so none can be applied by mistake. A scenario is solved
    from the base plan's schedule, and keeps as much of it as it can without extra cost.

    Parameters
    ----------
    estate
        Estate to plan.
    scenarios
        Scenarios to compare; :meth:`Scenario.parse` parses the text of the command line.
    rules
        Rules without the scenarios. None: the defaults.
    history
        Journals, applied plans, or folders with journals; see :func:`optimizer.workflow.make_plan`.
    planner
        How each plan is made. Give its search a gap of 0, as the default has, if small differences matter.
    tell_of_scenario
        Returns, for the name of a scenario, a function that is called with each reason why the scenario has no
        schedule, and with each way to make one possible, as soon as it is proven.

    Raises
    ------
    ConfigError
        A scenario does not fit the estate or the rules.
    NoScheduleError
        No schedule keeps the present rules.
    """
    rules = rules if rules is not None else Rules()
    changed = [apply_scenario(estate, rules, scenario) for scenario in scenarios]  # reports mistakes before any work
    base = plan_case(planner, estate, planner.prepare(estate, rules, history))
    forecasts = {rules.threshold: base.case.forecast}
    answers = [
        _answer(base, scenario, after, forecasts, planner.numbered(number, tell_of_scenario(scenario.name)))
        for number, (scenario, after) in enumerate(zip(scenarios, changed, strict=True), start=1)
    ]
    return WhatIf(
        as_of=estate.as_of, base=plan_figures(base), worth_a_move=worth_a_move(rules), scenarios=tuple(answers)
    )


def _answer(
    base: Planned,
    scenario: Scenario,
    changed: ChangedEstate,
    forecasts: dict[Threshold, Forecast],
    planner: Planner,
) -> ScenarioAnswer:
    case = _case(base, changed, forecasts, planner)
    kept = _kept(base, case, changed)
    asked = ScenarioAnswer(
        name=scenario.name,
        changes=tuple(map(str, scenario.changes)),
        notes=changed.notes,
        policies_made=changed.policies_made,
        vms_rehomed=len(changed.rehomed),
        plan=None,
        kept=schedule_figures(case, kept),
        broken=broken_by(case, kept),
        no_schedule=None,
        optimum_change=None,
        start_changes=(),
        noticed=Noticed(must=0, gain=0, lose=0),
        new_vms=(),
    )
    try:
        planned = base if case is base.case else plan_case(planner, changed.estate, case, kept)
    except (NoScheduleError, NotFoundWithinEffortError) as exc:
        return asked.model_copy(update={"no_schedule": _reason(exc), "ways_out": _ways_out(exc)})
    return asked.model_copy(update=_found(base, planned, changed, kept))


def _found(base: Planned, planned: Planned, changed: ChangedEstate, kept: IntArray) -> dict[str, object]:
    """Fields of the answer that a plan for the scenario fills."""
    figures, starts = plan_figures(planned), start_changes(base, planned, kept)
    matters = ((change.cost_change, change.must) for change in starts)
    return {
        "notes": (*changed.notes, *(note for note in planned.plan.notes if note not in base.plan.notes)),
        "plan": figures,
        "optimum_change": _optimum_change(plan_figures(base), figures, unchanged=planned is base),
        "start_changes": starts,
        "noticed": noticed(matters, worth_a_move(base.case.rules)),
        "new_vms": _new_vms(planned, changed),
    }


def _case(base: Planned, changed: ChangedEstate, forecasts: dict[Threshold, Forecast], planner: Planner) -> Case:
    """Case of a scenario, the base plan's own if nothing changes.

    The load is read again for another threshold only; otherwise, the forecast is enough.
    """
    if changed.estate.document is base.estate.document and changed.rules == base.case.rules:
        return base.case
    threshold = changed.rules.threshold
    if threshold not in forecasts:
        forecasts[threshold] = planner.prepare(base.estate, changed.rules).forecast
    forecast = changed.forecast(forecasts[threshold])
    return base.case.changed(inventory=changed.inventory(), rules=changed.rules, forecast=forecast)


def _kept(base: Planned, case: Case, changed: ChangedEstate) -> IntArray:
    """The base plan's schedule for the VMs of a scenario; new VMs start with their originals."""
    starts = base.starts()
    ids = [item.vm_id for item in case.inventory.items]
    return np.array([starts[changed.copies.get(vm_id, vm_id)] for vm_id in ids], dtype=np.int64)


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


def _ways_out(error: NoScheduleError | NotFoundWithinEffortError) -> tuple[str, ...]:
    """Changes of the rules that make a schedule possible, the cheapest first."""
    return () if error.answer is None else tuple(way.sentence for way in error.answer.relaxations)


def _new_vms(planned: Planned, changed: ChangedEstate) -> tuple[NewVm, ...]:
    starts = planned.starts()
    return tuple(
        NewVm(vm=new, like=original, start=format_start(starts[new])) for new, original in changed.copies.items()
    )
