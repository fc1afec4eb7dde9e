"""A plan against another, and against the same schedule left as it is."""

from __future__ import annotations

import re

import numpy as np

from optimizer.model.timegrid import format_start
from optimizer.plan.case import Case
from optimizer.plan.occupancy import pair_slots, service_occupancy, service_of
from optimizer.solve.cost import Cost, evaluate, violations
from optimizer.solve.instance import IntArray
from optimizer.whatif.document import CostTerms, Figures, PlanFigures, StartChange
from optimizer.whatif.planned import Planned


def schedule_figures(case: Case, options: IntArray) -> Figures:
    """Figures of any schedule of a case, whether or not it keeps the rules.

    Parameters
    ----------
    case
        With the prices that count.
    options
        Shape (V,): start option of each VM.
    """
    return _figures(case, options, evaluate(case.instance, options))


def _figures(case: Case, options: IntArray, cost: Cost, detours: int = 0) -> Figures:
    instance = case.instance
    _, met = service_occupancy(case.inventory, options, case.snapshot_minutes)
    extra = instance.policy_write_price * detours
    return Figures(
        vms=instance.num_vms,
        at_risk_per_month=_round(instance.risk[np.arange(instance.num_vms), options].sum()),
        overlap_pair_slots=_round(pair_slots(met).sum()),
        peak_concurrency=int(met.max(initial=0)),
        moved=cost.num_moves,
        policies_written=cost.writes + detours,
        cost=CostTerms(
            risk=_round(cost.risk),
            overlap=_round(cost.overlap),
            vault_peak=_round(cost.vault_peak),
            policy_writes=_round(cost.policy_writes + extra),
            moves=_round(cost.moves),
            total=_round(cost.total + extra),
        ),
    )


def plan_figures(planned: Planned) -> PlanFigures:
    """Figures of a plan: policies that its order of changes needs beside the schedule are in them."""
    summary = planned.plan.summary
    cost = evaluate(planned.case.instance, planned.options)
    detours = summary.policies_created + summary.policies_edited - cost.writes
    return PlanFigures(
        **_figures(planned.case, planned.options, cost, detours).model_dump(),
        bound=summary.cost.bound,
        captured=summary.captured,
        reference=summary.reference,
        status=summary.status,
    )


def _round(value: float) -> float:
    return round(float(value), 6) + 0.0


def start_changes(base: Planned, other: Planned) -> tuple[StartChange, ...]:
    """VMs of both plans that start at different times, in the order of the items."""
    before = base.starts()
    inventory = other.case.inventory
    found = []
    for item, option in zip(inventory.items, other.options.tolist(), strict=True):
        was = before.get(item.vm_id.lower())
        if was is not None and was != option:
            found.append(
                StartChange(
                    vm=item.vm_id,
                    service=service_of(inventory.vm(item)),
                    today=format_start(inventory.policy(item).start),
                    base=format_start(was),
                    scenario=format_start(option),
                )
            )
    return tuple(found)


def broken_by(case: Case, options: IntArray) -> tuple[str, ...]:
    """What of a case a schedule breaks, in words; empty where it holds."""
    rows = np.arange(len(options))
    found = []
    for name, mask in case.restrictions.forbidden_by.items():
        count = int(mask[rows, options].sum())
        if count:
            found.append(f"{name!r} for {count} VM{'s' if count != 1 else ''}")
    vaults = [vault.name for vault in case.inventory.vaults.values()]
    rest: dict[str, None] = {}
    for text in violations(case.instance, options):
        of_vault = re.fullmatch(r"policies of vault (\d+)", text)
        if of_vault:
            rest[f"the limit of policies of vault {vaults[int(of_vault[1])]!r}"] = None
        elif not text.startswith("VM "):
            rest[re.sub(r"^cap (.*) in slot \d+$", r"\1", text)] = None
    return (*found, *rest)
