"""Audit of today's schedule as data: what ``audit`` prints, and its JSON."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import Field

from optimizer.documents.together_document import ServiceTogether
from optimizer.model.arrays import FloatArray, IntArray
from optimizer.model.frames import frame_of
from optimizer.model.html_table import MOST_ROWS, html_table, html_view, name_of
from optimizer.model.inventory import Inventory
from optimizer.model.occupancy import weighted_overlaps
from optimizer.model.phrases import counted
from optimizer.model.strict import StrictModel

if TYPE_CHECKING:  # importing polars takes time, which reading an audit does not need
    import polars as pl

AUDIT_SCHEMA_VERSION: Final = 2

GapKind = Literal["no data", "too little data", "load never changes"]
LimitState = Literal["near", "at", "over"]
RuleDemand = Literal["allow", "forbid", "max_concurrent", "separate", "order"]


class WeightedTotals(StrictModel):
    """At-risk backups times the weight of their VM; overlaps times the smaller weight of both VMs; per 30 days."""

    at_risk_per_month: float
    overlaps_per_month: float

    @classmethod
    def of(cls, inventory: Inventory, starts: IntArray, risk: FloatArray, weights: FloatArray) -> Self | None:
        """Totals of a schedule; None if every VM has the weight 1.

        Parameters
        ----------
        inventory
            The estate.
        starts
            Shape (num_items,): start option of every item in the zone of its policy.
        risk
            Shape (num_items,): at-risk backups of every item per 30 days at its start.
        weights
            Shape (num_items,): see :func:`optimizer.model.weights.item_weights`.
        """
        if (weights == 1).all():
            return None
        overlaps = float(weighted_overlaps(inventory, starts, weights).sum())
        at_risk = float((weights * risk).sum())
        return cls(at_risk_per_month=round(at_risk, 6), overlaps_per_month=round(overlaps, 6))


class AuditTotals(StrictModel):
    """The estate in figures; at-risk backups, overlaps and starts in working hours are expected numbers per 30 days.

    ``overlaps_exact`` is the number of overlaps by the exact probability, and ``overlaps_per_month`` the number by the
    approximate one that has a price. ``weighted`` is None where every VM has the weight 1.
    """

    vms: int
    services: int
    vaults: int
    policies: int
    backups_per_month: float
    at_risk_per_month: float
    at_risk_at_best: float
    overlaps_per_month: float
    overlaps_exact: Annotated[float | None, Field(exclude_if=lambda exact: exact is None)] = None
    working_hours_starts: float
    weighted: Annotated[WeightedTotals | None, Field(exclude_if=lambda totals: totals is None)] = None
    peak_concurrency: int
    busy_vms: int


class ServiceAudit(StrictModel):
    """A service in whose start windows VMs meet; ``peak_at`` is the first half hour (UTC) of the peak."""

    service: str
    vms: int
    overlaps_per_month: float
    peak_concurrency: int
    peak_at: str
    at_risk_per_month: float


class BusyVm(StrictModel):
    """A VM that is often busy in its start window, and its option of least risk."""

    vm: str
    name: str
    service: str
    vault: str
    policy: str
    recurrence: str
    timezone: str
    start_today: str
    risk_today: float
    start_best: str
    risk_best: float
    saving: float


class BrokenRule(StrictModel):
    """A rule of the planner's that today's schedule breaks.

    Parameters
    ----------
    demands
        Which of its keys are broken; of ``allow`` and ``forbid`` in one rule, and of ``separate`` and ``order``, only
        that one of the two is.
    vms
        The VMs that break it; where too many meet, all that do.
    never_written
        How many of them are pinned, excluded, or unwritable for their state in Azure: no plan moves these.
    """

    rule: str
    demands: tuple[RuleDemand, ...]
    vms: tuple[str, ...]
    never_written: int


class OrderGap(StrictModel):
    """Time between two neighboring sets of a rule with ``order``, within one group of VMs.

    Of several nights, this is the worst: the one with the smallest ``hours`` if the order is broken, otherwise the one
    with the largest ``hours_most``.

    Parameters
    ----------
    rule
        Name of the rule.
    group
        Service or vault for which the rule holds; empty where it holds for all its VMs together.
    first, second
        The sets, as they are written in the rules file.
    ends
        UTC time at which the last window of the first set ends, at the UTC offset that makes it latest.
    begins
        UTC time at which the first window of the second set begins, at the UTC offset that makes it earliest.
    hours
        Smallest distance, from ``ends`` to ``begins``; negative where the second set begins too early.
    hours_most
        Largest distance: from the end of any window of the first set to the beginning of any window of the second,
        at the UTC offsets that make it largest. ``within`` limits this one. None in older plans.
    within
        Hours that the rule allows; None where it sets no limit.
    """

    rule: str
    group: str
    first: str
    second: str
    ends: str
    begins: str
    hours: float
    hours_most: Annotated[float | None, Field(exclude_if=lambda hours: hours is None)] = None
    within: float | None

    @property
    def largest(self) -> float:
        """Largest distance in hours that is known; older plans state only the smallest."""
        return self.hours if self.hours_most is None else self.hours_most

    @property
    def holds(self) -> bool:
        """Whether the order holds, and ``within`` if the rule sets it."""
        return self.hours >= 0 and (self.within is None or self.largest <= self.within)


class IdleRule(StrictModel):
    """A rule that has no effect on this estate.

    Parameters
    ----------
    why
        Why it applies to no VM, or why none of its keys has an effect.
    """

    rule: str
    why: str


class PolicyAudit(StrictModel):
    """A policy near, at or over the number of VMs that one policy may protect."""

    policy: str
    vault: str
    vms: int
    limit: int
    state: LimitState


class VaultAudit(StrictModel):
    """A vault; ``state`` is None if the vault is far from its limit of policies."""

    vault: str
    vms: int
    policies: int
    other_policies: int
    limit: int
    state: LimitState | None
    at_risk_per_month: float


class HistoryGap(StrictModel):
    """A VM with no load data, or with too little."""

    vm: str
    service: str
    days: float
    kind: GapKind


class UnwritableItem(StrictModel):
    """A protected item that a plan will not change."""

    vm: str
    vault: str
    policy: str
    reason: str


class ClockChange(StrictModel):
    """A zone of policies that changes its clocks; offsets from UTC as ``+01:00``."""

    timezone: str
    policies: int
    vms: int
    offsets: tuple[str, ...]


class Audit(StrictModel):
    """Audit of today's schedule; every list has the worst entries first.

    ``broken_rules`` and ``history`` are None if they were not asked for; ``broken_rules`` also without rules.
    ``num_rules`` counts the rules that were looked at. ``idle_rules`` have no effect on this estate, so keeping them
    means nothing. ``notes`` are about rules that do less, or more, than a planner may expect. ``orders`` has the
    hours between the sets of rules with ``order``.
    """

    schema_version: Literal[2] = AUDIT_SCHEMA_VERSION
    as_of: datetime
    totals: AuditTotals
    broken_rules: tuple[BrokenRule, ...] | None = None
    num_rules: int = 0
    idle_rules: tuple[IdleRule, ...] = ()
    notes: tuple[str, ...] = ()
    services: tuple[ServiceAudit, ...]
    services_together: tuple[ServiceTogether, ...] = ()
    busy: tuple[BusyVm, ...]
    policies: tuple[PolicyAudit, ...]
    vaults: tuple[VaultAudit, ...]
    history: tuple[HistoryGap, ...] | None
    unwritable: tuple[UnwritableItem, ...]
    clock_changes: tuple[ClockChange, ...]
    orders: tuple[OrderGap, ...] = ()
    starts_per_half_hour: tuple[float, ...]

    # The fields have the plain names, so the data frames of their entries need names of their own.

    def services_frame(self) -> pl.DataFrame:
        """Services as a data frame, those with the most overlaps first; columns as in :class:`ServiceAudit`."""
        return frame_of(self.services, ServiceAudit)

    def busy_frame(self) -> pl.DataFrame:
        """VMs that are often busy in their start window, the largest saving first; columns as in :class:`BusyVm`."""
        return frame_of(self.busy, BusyVm)

    def vaults_frame(self) -> pl.DataFrame:
        """Vaults as a data frame, those with the most policies first; columns as in :class:`VaultAudit`."""
        return frame_of(self.vaults, VaultAudit)

    def _repr_html_(self) -> str:
        """Totals, broken rules, and the services with the most overlaps, for a notebook."""
        totals = self.totals
        figures = [
            ("backups", totals.backups_per_month),
            ("at-risk backups", totals.at_risk_per_month),
            ("at-risk backups if each VM had its best start", totals.at_risk_at_best),
            ("overlapping snapshots", totals.overlaps_per_month),
            ("starts in working hours", totals.working_hours_starts),
            ("worst half hour of a service", totals.peak_concurrency),
        ]
        services = [
            (
                name_of(service.service), service.vms, service.overlaps_per_month, service.peak_concurrency,
                service.peak_at, service.at_risk_per_month,
            )
            for service in self.services[:MOST_ROWS]
        ]  # fmt: skip
        busy = f"{counted(totals.busy_vms, 'VM is', 'VMs are')} often busy when the backup starts."
        broken = [
            f"{counted(len(found.vms), 'VM breaks', 'VMs break')} rule {found.rule!r}."
            for found in self.broken_rules or ()
        ]
        columns = ("service", "VMs", "overlapping snapshots", "worst half hour", "first at (UTC)", "at-risk backups")
        return html_view(
            f"{counted(totals.vms, 'VM', 'VMs')} in {counted(totals.services, 'service', 'services')} on "
            f"{self.as_of:%Y-%m-%d}",
            [busy, *broken],
            html_table(("", "today, per 30 days"), figures),
            html_table(columns, services, total=len(self.services)),
            notes=self.notes,
        )
