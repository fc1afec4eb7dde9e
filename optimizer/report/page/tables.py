"""Tables of the page: schedule, moves, policies, services and rules, whole, in the order that matters most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from optimizer.documents import CreatePolicy, EditPolicy, PlanDocument, ReassignItem, ScheduleEntry
from optimizer.model.timegrid import parse_minute
from optimizer.report.figures import HalfHours, ServiceComparison
from optimizer.report.formats import short_id
from optimizer.report.wording.rule_words import applies_to, demands
from optimizer.verifier import RuleEffect

Cell = str | int | float


@dataclass(frozen=True)
class PageColumn:
    """A column of a table.

    Parameters
    ----------
    title
        Head of the column.
    kind
        What the cells are: ``name`` is cut off if it is long, ``prose`` is wrapped, ``count`` and ``figure`` are
        numbers without and with two decimals, and ``time`` is a minute of the UTC day, shown in the display time zone.
    """

    title: str
    kind: Literal["name", "prose", "count", "figure", "time"] = "name"

    @property
    def is_number(self) -> bool:
        """Whether the cells are numbers, which are aligned to the right and sorted by size."""
        return self.kind in {"count", "figure"}


@dataclass(frozen=True)
class PageTable:
    """A table with all of its rows, which the page can filter and sort.

    Parameters
    ----------
    name
        Id of the table in the page.
    label
        Name of the table for people.
    columns
        The first one identifies the row.
    rows
        One cell per column.
    """

    name: str
    label: str
    columns: Sequence[PageColumn]
    rows: Sequence[Sequence[Cell]]


def moves_table(plan: PlanDocument) -> PageTable:
    """VMs with a new start or policy, those whose risk falls most first."""
    moved = [
        entry for entry in plan.schedule if entry.start != entry.start_today or entry.policy != entry.policy_today
    ]
    moved.sort(key=lambda entry: (entry.risk - entry.risk_today, entry.vm))
    return PageTable(
        name="moves",
        label="VMs with a new start or policy",
        columns=(
            PageColumn("VM"),
            PageColumn("Service"),
            PageColumn("Today"),
            PageColumn("Plan"),
            PageColumn("New policy"),
            PageColumn("At risk today", "figure"),
            PageColumn("In the plan", "figure"),
            PageColumn("Vault"),
            PageColumn("Zone"),
        ),
        rows=[
            (
                short_id(entry.vm), short_id(entry.service), entry.start_today, entry.start, entry.policy,
                entry.risk_today, entry.risk, entry.vault, entry.timezone,
            )
            for entry in moved
        ],
    )  # fmt: skip


def schedule_table(plan: PlanDocument) -> PageTable:
    """Every VM as the plan has it; a column for weights only if a rule gives any."""
    weighs = any(entry.weight != 1 for entry in plan.schedule)
    weight = [PageColumn("Weight", "figure")] if weighs else []
    return PageTable(
        name="schedule",
        label="Schedule of every VM",
        columns=(
            PageColumn("VM"),
            PageColumn("Service"),
            PageColumn("Vault"),
            PageColumn("Runs"),
            PageColumn("Start"),
            PageColumn("Zone"),
            PageColumn("Start", "time"),
            PageColumn("Policy"),
            PageColumn("At risk today", "figure"),
            PageColumn("In the plan", "figure"),
            *weight,
            PageColumn("Why", "prose"),
        ),
        rows=[
            (
                short_id(entry.vm), short_id(entry.service), entry.vault, _runs(entry), entry.start, entry.timezone,
                parse_minute(entry.start_utc), entry.policy, entry.risk_today, entry.risk,
                *([entry.weight] if weighs else []), entry.reason,
            )
            for entry in plan.schedule
        ],
    )  # fmt: skip


def policies_table(plan: PlanDocument) -> PageTable:
    """Policies that are created or edited, with the number of VMs that are assigned to each."""
    arriving = Counter(change.policy_id for change in plan.changes if isinstance(change, ReassignItem))
    written = [change for change in plan.changes if not isinstance(change, ReassignItem)]
    return PageTable(
        name="policies",
        label="Policies written",
        columns=(
            PageColumn("Policy"),
            PageColumn("What"),
            PageColumn("Vault"),
            PageColumn("Before"),
            PageColumn("Start"),
            PageColumn("VMs arriving", "count"),
        ),
        rows=[
            (
                change.policy, "create" if isinstance(change, CreatePolicy) else "edit", short_id(change.vault_id),
                _before(change), change.start, arriving[change.policy_id],
            )
            for change in written
        ],
    )  # fmt: skip


def _before(change: CreatePolicy | EditPolicy) -> str:
    """Origin of a policy that is written: its twin, or its old time, which its name may still state."""
    if isinstance(change, CreatePolicy):
        return f"twin of {short_id(change.twin_of)}"
    return f"{change.start_today}, still in its name" if change.is_misnamed else change.start_today


def services_table(services: Sequence[ServiceComparison]) -> PageTable:
    """All services before and after, in the order of the chart."""
    return PageTable(
        name="services",
        label="Services in numbers",
        columns=(
            PageColumn("Service"),
            PageColumn("VMs", "count"),
            PageColumn("Moved", "count"),
            PageColumn("Overlaps today", "figure"),
            PageColumn("In the plan", "figure"),
            PageColumn("Worst half hour today", "count"),
            PageColumn("In the plan", "count"),
            PageColumn("At risk today", "figure"),
            PageColumn("In the plan", "figure"),
        ),
        rows=[
            (
                short_id(service.name), service.vms, service.moved, service.overlaps.today, service.overlaps.plan,
                service.peak_windows.today, service.peak_windows.plan, service.risk.today, service.risk.plan,
            )
            for service in services
        ],
    )  # fmt: skip


def rules_table(plan: PlanDocument, effects: Sequence[RuleEffect]) -> PageTable:
    """Rules in the order of the rules file, with the VMs that they apply to, that move, and that break them."""
    return PageTable(
        name="rules",
        label="Rules",
        columns=(
            PageColumn("Rule", "prose"),
            PageColumn("Applies to", "prose"),
            PageColumn("Demands", "prose"),
            PageColumn("VMs", "count"),
            PageColumn("Of these move", "count"),
            PageColumn("Break it today", "count"),
            PageColumn("In the plan", "count"),
        ),
        rows=[
            (
                rule.name, applies_to(rule), demands(rule), effect.vms, effect.moved, effect.breaking_today,
                effect.breaking_in_plan,
            )
            for rule, effect in zip(plan.rules.rule, effects, strict=True)
        ],
    )  # fmt: skip


def hours_rows(hours: HalfHours) -> list[tuple[int, float, float, float, float]]:
    """Rows of the table next to the chart: the first minute of each UTC hour, then risk and starts of the hour."""
    columns = [
        array.reshape(24, 2).sum(axis=1).tolist()
        for array in (hours.risk_today, hours.risk_plan, hours.starts_today, hours.starts_plan)
    ]
    return [(60 * hour, *figures) for hour, figures in enumerate(zip(*columns, strict=True))]


def _runs(entry: ScheduleEntry) -> str:
    if entry.frequency == "Hourly":
        return f"every {entry.interval_hours} h for {entry.duration_hours} h"
    return "daily" if not entry.days else ", ".join(day[:3] for day in entry.days)
