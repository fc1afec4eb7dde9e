"""Audit of today's schedule: crowded services, busy start windows, limits, and gaps in the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optimizer.documents import (
    Audit,
    AuditTotals,
    BrokenRule,
    BusyVm,
    ClockChange,
    GapKind,
    HistoryGap,
    IdleRule,
    LimitState,
    OrderGap,
    PolicyAudit,
    ServiceAudit,
    ServiceTogether,
    UnwritableItem,
    VaultAudit,
    WeightedTotals,
)
from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import BoolArray, FloatArray, IntArray
from optimizer.model.inventory import Inventory, ProtectedItem, describe_recurrence
from optimizer.model.occupancy import (
    exact_overlaps,
    expected_overlaps,
    item_services,
    service_occupancy,
    starts_per_slot,
    starts_today,
    working_hours_starts,
)
from optimizer.model.policy_limits import vm_limit
from optimizer.model.rules import Rule, Rules
from optimizer.model.timegrid import (
    SLOTS_PER_DAY,
    format_offset,
    format_slot,
    format_start,
    resolve_zone,
)
from optimizer.model.weights import item_weights

BUSY_AT_RISK = 1.0
"""At-risk backups per 30 days from which a start window counts as busy: one per month."""

NEAR_LIMIT = 0.9
"""Share of a limit from which a policy or a vault is reported."""

MIN_HISTORY_DAYS = 7.0
"""Days of usable load below which a VM's history counts as too short: it must cover a whole week."""


@dataclass(frozen=True, eq=False)
class TodaysSchedule:
    """Today's schedule, and the data to audit it.

    Parameters
    ----------
    inventory
        The estate.
    risk
        Shape (num_items, 48): expected at-risk backups per 30 days for every start option.
    rules
        Limits, and rules that exclude or pin VMs.
    history_days
        Shape (num_items,): days of usable load. None if unknown; then ``Audit.history`` is None.
    allowed
        Shape (num_items, 48): options that the rules allow. None: every option that Azure accepts.
    credited
        Shape (num_items,): whether a VM's own history is the evidence. None: True for all VMs. For the other VMs,
        no gain is promised: they are not reported as busy, and their best option is today's.

    Raises
    ------
    ValueError
        An array does not have one row per item.
    """

    inventory: Inventory
    risk: npt.NDArray[np.floating]
    rules: Rules
    history_days: npt.NDArray[np.number] | None = None
    allowed: npt.NDArray[np.bool_] | None = None
    credited: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        num_items = len(self.inventory.items)
        shapes = {"risk": (num_items, SLOTS_PER_DAY), "history_days": (num_items,)}
        for name, shape in (shapes | {"allowed": (num_items, SLOTS_PER_DAY)}).items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}; wanted {shape}, one row per item of the inventory")

    @cached_property
    def starts(self) -> IntArray:
        """Start option of every item; shape (num_items,)."""
        return starts_today(self.inventory)

    @cached_property
    def best(self) -> IntArray:
        """Option of least risk of every item, or today's if no gain is promised; shape (num_items,)."""
        return np.where(self.own, best_options(self.inventory, self.risk, self.allowed), self.starts)

    @cached_property
    def own(self) -> BoolArray:
        """Whether a VM's own history is the evidence; shape (num_items,)."""
        return np.ones(len(self.starts), dtype=np.bool_) if self.credited is None else self.credited

    @cached_property
    def risk_today(self) -> FloatArray:
        """Expected at-risk backups of every item per 30 days; shape (num_items,)."""
        return self.risk_at(self.starts)

    def risk_at(self, options: IntArray) -> FloatArray:
        """Expected at-risk backups of every item per 30 days at a start option; all shapes (num_items,)."""
        return np.asarray(self.risk, dtype=np.float64)[np.arange(len(options)), options]


def audit(
    today: TodaysSchedule,
    *,
    broken_rules: tuple[BrokenRule, ...] | None = None,
    idle_rules: tuple[IdleRule, ...] = (),
    together: tuple[ServiceTogether, ...] = (),
    notes: tuple[str, ...] = (),
    orders: tuple[OrderGap, ...] = (),
) -> Audit:
    """Find what is wrong with today's schedule.

    Parameters
    ----------
    today
        Today's schedule.
    broken_rules
        Result of :func:`optimizer.plan.audits.broken_rules.find_broken_rules`. None if that was not checked.
    idle_rules
        Result of :func:`optimizer.plan.audits.rule_scope.idle_rules`.
    together
        Result of :func:`optimizer.plan.together.services_together`.
    notes
        Notes on rules, such as those of :func:`optimizer.plan.notes.rule_notes.notes_on_rpo`.
    orders
        Result of :func:`optimizer.plan.audits.orders.order_gaps`.
    """
    inventory, rules = today.inventory, today.rules
    services = _audit_services(inventory, today.risk_today)
    busy = _audit_busy(today)
    starts = starts_per_slot(inventory, today.starts)
    return Audit(
        as_of=inventory.as_of,
        totals=AuditTotals(
            vms=len(inventory.items),
            services=len(services),
            vaults=len(inventory.vaults),
            policies=len(inventory.policies),
            backups_per_month=float(starts.sum() / 7 * 30),
            at_risk_per_month=float(today.risk_today.sum()),
            at_risk_at_best=float(today.risk_at(today.best).sum()),
            overlaps_per_month=float(sum(service.overlaps_per_month for service in services)),
            overlaps_exact=round(exact_overlaps(inventory, today.starts), 6),
            working_hours_starts=working_hours_starts(inventory, rules.working_hours, today.starts),
            weighted=WeightedTotals.of(inventory, today.starts, today.risk_today, item_weights(inventory, rules)),
            peak_concurrency=max((service.peak_concurrency for service in services), default=0),
            busy_vms=len(busy),
        ),
        broken_rules=broken_rules,
        num_rules=len(rules.rule),
        idle_rules=idle_rules,
        notes=notes,
        orders=orders,
        services=services,
        services_together=together,
        busy=busy,
        policies=_audit_policies(inventory, rules),
        vaults=_audit_vaults(inventory, rules, today.risk_today),
        history=None if today.history_days is None else _audit_history(inventory, today.history_days, today.own),
        unwritable=_audit_unwritable(inventory, rules),
        clock_changes=_audit_clock_changes(inventory),
        starts_per_half_hour=tuple(starts.reshape(7, SLOTS_PER_DAY).mean(axis=0).tolist()),
    )


def best_options(
    inventory: Inventory, risk: npt.NDArray[np.floating], allowed: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.int64]:
    """Option of least risk for each item on its own, today's option if no other is better; shape (num_items,)."""
    best = starts_today(inventory)
    for row, item in enumerate(inventory.items):
        options = np.array(inventory.policy(item).recurrence.options(int(best[row])), dtype=np.int64)
        if allowed is not None:
            options = options[allowed[row, options]]
        if len(options) and risk[row, options].min() < risk[row, best[row]]:
            best[row] = options[risk[row, options].argmin()]
    return best


def _audit_services(inventory: Inventory, risk_today: FloatArray) -> tuple[ServiceAudit, ...]:
    names, service = item_services(inventory)
    today = starts_today(inventory)
    _, occupancy = service_occupancy(inventory, today)
    sizes = np.bincount(service, minlength=len(names))
    at_risk = np.bincount(service, weights=risk_today, minlength=len(names))
    overlaps = expected_overlaps(inventory, today)
    found = [
        ServiceAudit(
            service=name,
            vms=int(sizes[g]),
            overlaps_per_month=float(overlaps[g]),
            peak_concurrency=int(occupancy[g].max()),
            peak_at=format_slot(int(occupancy[g].argmax())),
            at_risk_per_month=float(at_risk[g]),
        )
        for g, name in enumerate(names)
    ]
    return tuple(sorted(found, key=lambda one: (-one.overlaps_per_month, -one.at_risk_per_month, one.service)))


def _audit_busy(today: TodaysSchedule) -> tuple[BusyVm, ...]:
    busy = np.flatnonzero(~(today.risk_today < BUSY_AT_RISK) & today.own).tolist()
    return tuple(sorted((_busy_vm(today, row) for row in busy), key=lambda vm: (-vm.saving, -vm.risk_today, vm.vm)))


def _busy_vm(today: TodaysSchedule, row: int) -> BusyVm:
    inventory, item, best = today.inventory, today.inventory.items[row], int(today.best[row])
    vm, policy = inventory.vm(item), inventory.policy(item)
    now, then = float(today.risk[row, policy.start]), float(today.risk[row, best])
    return BusyVm(
        vm=vm.id,
        name=vm.name,
        service=vm.service_name,
        vault=inventory.vault(item).name,
        policy=policy.name,
        recurrence=describe_recurrence(policy.recurrence),
        timezone=policy.timezone,
        start_today=format_start(policy.start),
        risk_today=now,
        start_best=format_start(best),
        risk_best=then,
        saving=now - then,
    )


def _limit_state(count: int, limit: int) -> LimitState | None:
    if count > limit:
        return "over"
    if count == limit:
        return "at"
    return "near" if count >= NEAR_LIMIT * limit else None


def _audit_policies(inventory: Inventory, rules: Rules) -> tuple[PolicyAudit, ...]:
    limit = vm_limit(rules.policies, inventory).existing
    found = []
    for key, policy in inventory.policies.items():
        count = inventory.policy_sizes[key]
        state = _limit_state(count, limit)
        if state is not None:
            vault = inventory.vault(policy).name
            found.append(PolicyAudit(policy=policy.name, vault=vault, vms=count, limit=limit, state=state))
    return tuple(sorted(found, key=lambda one: (-one.vms, one.vault, one.policy)))


def _audit_vaults(inventory: Inventory, rules: Rules, risk_today: FloatArray) -> tuple[VaultAudit, ...]:
    limit = rules.policies.max_policies_per_vault
    vms = Counter(item.vault_id for item in inventory.items)
    at_risk = Counter[ArmId]()
    for item, risk in zip(inventory.items, risk_today.tolist(), strict=True):
        at_risk[item.vault_id] += risk
    found = []
    for key, vault in inventory.vaults.items():
        count = inventory.policies_in_vault(key)
        found.append(
            VaultAudit(
                vault=vault.name,
                vms=vms[key],
                policies=count,
                other_policies=vault.other_policies,
                limit=limit,
                state=_limit_state(count, limit),
                at_risk_per_month=float(at_risk[key]),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.policies, -one.vms, one.vault)))


def _audit_history(
    inventory: Inventory, history_days: npt.NDArray[np.number], own: npt.NDArray[np.bool_]
) -> tuple[HistoryGap, ...]:
    gaps = []
    for row in np.flatnonzero((history_days < MIN_HISTORY_DAYS) | ~own).tolist():
        vm, days = inventory.vm(inventory.items[row]), float(history_days[row])
        gaps.append(HistoryGap(vm=vm.id, service=vm.service_name, days=days, kind=_kind_of_gap(days)))
    return tuple(sorted(gaps, key=lambda gap: (gap.days, gap.vm)))


def _kind_of_gap(days: float) -> GapKind:
    if days >= MIN_HISTORY_DAYS:
        return "load never changes"
    return "no data" if days == 0 else "too little data"


def _audit_unwritable(inventory: Inventory, rules: Rules) -> tuple[UnwritableItem, ...]:
    """Items that Azure or a rule keeps as they are, whether they are scheduled or not."""
    fixing = [rule for rule in rules.rule if rule.exclude or rule.pin]
    kept = []
    for item in (*inventory.items, *inventory.idle_items):
        policy = inventory.policies.get(item.policy_id)
        if reasons := [*_why_unwritable(item), *_rules_fixing(inventory, item, fixing)]:
            name, vault = policy.name if policy is not None else item.policy_id.name, inventory.vault(item).name
            kept.append(UnwritableItem(vm=item.vm_id, vault=vault, policy=name, reason="; ".join(reasons)))
    return tuple(sorted(kept, key=lambda item: (item.reason, item.vm)))


def _why_unwritable(item: ProtectedItem) -> Iterator[str]:
    if item.unwritable:
        yield item.unwritable
    elif not item.runs:
        yield "no scheduled backup takes place"


def _rules_fixing(inventory: Inventory, item: ProtectedItem, fixing: Sequence[Rule]) -> Iterator[str]:
    """Yield the rules that exclude or pin a VM, in words."""
    vm, vault, policy = inventory.vms.get(item.vm_id), inventory.vault(item), inventory.policies.get(item.policy_id)
    frequency = policy.recurrence.frequency if policy else None
    for rule in fixing:
        if vm is not None and rule.is_for(vm, vault, frequency):
            yield f"{'excluded' if rule.exclude else 'pinned'} by rule {rule.name!r}"


def _audit_clock_changes(inventory: Inventory) -> tuple[ClockChange, ...]:
    policies: Counter[str] = Counter(policy.timezone for policy in inventory.policies.values())
    vms: Counter[str] = Counter(inventory.policy(item).timezone for item in inventory.items)
    found = []
    for zone, count in policies.items():
        offsets = inventory.horizon.offsets(resolve_zone(zone))
        if len(offsets) > 1:
            texts = tuple(format_offset(minutes) for minutes in offsets)
            found.append(ClockChange(timezone=zone, policies=count, vms=vms[zone], offsets=texts))
    return tuple(sorted(found, key=lambda one: (-one.vms, one.timezone)))
