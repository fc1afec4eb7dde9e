"""Sensitivity: the influence of the prices on the plan, and what every good schedule has in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optimizer.estate import Estate
from optimizer.model.arrays import BoolArray, FloatArray
from optimizer.model.rules import Prices, Rules
from optimizer.model.timegrid import format_start
from optimizer.plan import Planned, Planner, plan_case
from optimizer.whatif.answer import PROVING
from optimizer.whatif.compare import cost_changes, noticed, plan_figures, schedule_figures, worth_a_move
from optimizer.whatif.sensitivity_document import PriceAnswer, PriceName, Sensitivity, VmStability

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
    history: str | Path | Iterable[str | Path] = (),
    planner: Planner = PROVING,
) -> Sensitivity:
    """Compute the change of the plan if each price is halved or doubled, and the starts that all good schedules share.

    Parameters
    ----------
    estate, rules, history, planner
        See :func:`what_if`.
    tolerance
        Share above the optimum up to which the cost of a schedule counts as good.

    Raises
    ------
    NoScheduleError
        No schedule keeps the rules.
    """
    rules = rules if rules is not None else Rules()
    base = plan_case(planner, estate, planner.prepare(estate, rules, history))
    prices = [(name, factor) for name in PRICES for factor in FACTORS if getattr(rules.prices, name) > 0]
    repriced = [
        _at_price(base, price, factor, planner.numbered(number))
        for number, (price, factor) in enumerate(prices, start=1)
    ]
    return _sensitivity(base, repriced, tolerance)


@dataclass(frozen=True)
class _Repriced:
    """The plan at another price.

    Parameters
    ----------
    answer
        The plan in figures.
    changes
        Shape (V,): change of cost of each VM that starts at another time than in the base plan; otherwise 0.
    elsewhere
        Shape (V,): whether the VM starts at another time.
    """

    answer: PriceAnswer
    changes: FloatArray
    elsewhere: BoolArray


def _at_price(base: Planned, price: PriceName, factor: float, planner: Planner) -> _Repriced:
    """Plan at a multiple of one price, from the base plan's schedule."""
    rules = base.case.rules
    value = factor * getattr(rules.prices, price)
    prices = Prices(**{**rules.prices.model_dump(), price: value})
    case = base.case.changed(rules=rules.model_copy(update={"prices": prices}))
    planned = plan_case(planner, base.estate, case, base.options, base.result)
    elsewhere = planned.options != base.options
    changes = np.where(elsewhere, cost_changes(case, base.options, planned.options), 0.0)
    answer = PriceAnswer(
        price=price,
        factor=factor,
        value=value,
        plan=plan_figures(planned),
        kept=schedule_figures(case, base.options),
        vms_changed=int(elsewhere.sum()),
        noticed=noticed(((change, False) for change in changes[elsewhere].tolist()), worth_a_move(rules)),
    )
    return _Repriced(answer, changes, elsewhere)


def _sensitivity(base: Planned, repriced: Sequence[_Repriced], tolerance: float) -> Sensitivity:
    allowed = base.case.problem.instance.allowed
    stability = base.case.problem.stability(base.result, base.plan.summary.cost.plan, tolerance)
    return Sensitivity(
        as_of=base.estate.as_of,
        base=plan_figures(base),
        worth_a_move=worth_a_move(base.case.rules),
        prices=tuple(plan.answer for plan in repriced),
        tolerance=stability.tolerance,
        good_cost=round(stability.limit, 6),
        options_allowed=int(allowed.sum()),
        options_ruled_out=int((allowed & ~stability.possible).sum()),
        vms=_stabilities(base, stability.possible, stability.fixed, repriced),
    )


def _stabilities(
    base: Planned, possible: BoolArray, fixed: BoolArray, repriced: Sequence[_Repriced]
) -> tuple[VmStability, ...]:
    """Stability of each VM's start in every good schedule, and at every price.

    Parameters
    ----------
    base
        The plan at the present prices.
    possible
        Shape (V, 48): starts that no proof rules out.
    fixed
        Shape (V,): VMs with one possible start.
    repriced
        Plans at other prices.
    """
    inventory = base.case.inventory
    elsewhere = np.array([plan.elsewhere for plan in repriced]).reshape(len(repriced), len(base.options))
    changes = np.array([np.abs(plan.changes) for plan in repriced]).reshape(elsewhere.shape)
    same: BoolArray = ~np.logical_or.reduce(elsewhere, axis=0)
    most: FloatArray = changes.max(axis=0, initial=0.0)
    stabilities = []
    for v, item in enumerate(inventory.items):
        today = inventory.policy(item).start
        stabilities.append(
            VmStability(
                vm=item.vm_id,
                service=inventory.vm(item).service_name,
                today=format_start(today),
                start=format_start(int(base.options[v])),
                verdict="fixed" if fixed[v] else "not decided",
                starts_possible=tuple(map(format_start, np.flatnonzero(possible[v]).tolist())),
                must_move=not possible[v, today],
                same_at_all_prices=bool(same[v]),
                most_changed=round(float(most[v]), 6),
            )
        )
    return tuple(stabilities)
