"""Sensitivity: the influence of the prices on the plan, and what every good schedule has in common."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from optimizer.engine import SERIAL, Engine
from optimizer.estate import Estate
from optimizer.model.rules import Prices, Rules
from optimizer.model.timegrid import format_start
from optimizer.plan import Planned, Planner, Tell, plan_case
from optimizer.ports import Progress, ignore, no_progress
from optimizer.solve import Search
from optimizer.whatif.compare import cost_changes, noticed, plan_figures, schedule_figures, worth_a_move
from optimizer.whatif.document import PriceAnswer, PriceName, Sensitivity, VmStability

PRICES: tuple[PriceName, ...] = (
    "snapshot_overlap",
    "all_at_once",
    "vault_peak",
    "working_hours",
    "policy_write",
    "move",
)
FACTORS = (0.5, 2.0)
"""Factors by which each price is multiplied."""

GOOD = 0.01
"""Share above the optimum up to which the cost of a schedule counts as good."""


def sensitivity(
    estate: Estate,
    rules: Rules | None = None,
    *,
    tolerance: float = GOOD,
    seed: int = 0,
    effort: int = Search.effort,
    gap: float = 0.0,
    time_limit_seconds: float | None = None,
    history: str | Path | Iterable[str | Path] = (),
    engine: Engine = SERIAL,
    progress: Progress = no_progress,
    tell: Tell = ignore,
) -> Sensitivity:
    """Compute how the plan changes if each price is halved or doubled, and what every good schedule has in common.

    Parameters
    ----------
    estate, rules, seed, effort, gap, time_limit_seconds, history, engine, progress, tell
        See :func:`what_if`.
    tolerance
        Share above the optimum up to which the cost of a schedule counts as good.

    Raises
    ------
    NoScheduleError
        No schedule keeps the rules.
    """
    rules = rules if rules is not None else Rules()
    planner = Planner(Search(seed, effort, gap, time_limit_seconds), engine, progress, tell)
    base = plan_case(planner, estate, planner.prepare(estate, rules, history))
    answers, same, most = [], np.ones(len(base.options), dtype=np.bool_), np.zeros(len(base.options))
    asked = [(name, factor) for name in PRICES for factor in FACTORS if getattr(rules.prices, name) > 0]
    for number, (name, factor) in enumerate(asked, start=1):
        value = factor * getattr(rules.prices, name)
        repriced = rules.model_copy(update={"prices": Prices(**{**rules.prices.model_dump(), name: value})})
        case = base.case.changed(rules=repriced)
        planned = plan_case(planner.numbered(number), estate, case, base.options, base.result)
        elsewhere = planned.options != base.options
        changes = np.where(elsewhere, cost_changes(case, base.options, planned.options), 0.0)
        same &= ~elsewhere
        most = np.maximum(most, np.abs(changes))
        answers.append(
            PriceAnswer(
                price=name,
                factor=factor,
                value=value,
                plan=plan_figures(planned),
                kept=schedule_figures(case, base.options),
                vms_changed=int(elsewhere.sum()),
                noticed=noticed(((change, False) for change in changes[elsewhere].tolist()), worth_a_move(rules)),
            )
        )
    return _sensitivity(base, tuple(answers), same.tolist(), most.tolist(), tolerance)


def _sensitivity(
    base: Planned, prices: tuple[PriceAnswer, ...], same: list[bool], most: list[float], tolerance: float
) -> Sensitivity:
    inventory, allowed = base.case.inventory, base.case.problem.instance.allowed
    stability = base.case.problem.stability(base.result, base.plan.summary.cost.plan, tolerance)
    fixed = stability.fixed
    vms = []
    for v, item in enumerate(inventory.items):
        today = inventory.policy(item).start
        vms.append(
            VmStability(
                vm=item.vm_id,
                service=inventory.vm(item).service_name,
                today=format_start(today),
                start=format_start(int(base.options[v])),
                verdict="fixed" if fixed[v] else "not decided",
                starts_possible=tuple(map(format_start, np.flatnonzero(stability.possible[v]).tolist())),
                must_move=not stability.possible[v, today],
                same_at_all_prices=same[v],
                most_changed=round(most[v], 6),
            )
        )
    return Sensitivity(
        as_of=base.estate.as_of,
        base=plan_figures(base),
        worth_a_move=worth_a_move(base.case.rules),
        prices=prices,
        tolerance=stability.tolerance,
        good_cost=round(stability.limit, 6),
        options_allowed=int(allowed.sum()),
        options_ruled_out=int((allowed & ~stability.possible).sum()),
        vms=tuple(vms),
    )
