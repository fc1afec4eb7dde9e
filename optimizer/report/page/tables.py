"""Complete tables of the page: schedule, moves, policies, services and rules, most important rows first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from optimizer.documents import CreatePolicy, EditPolicy, PlanDocument, ReassignItem, ScheduleEntry
from optimizer.model.rules import Rule
from optimizer.model.timegrid import parse_minute
from optimizer.report.figures import HalfHours, ServiceComparison
from optimizer.report.formats import short_id
from optimizer.report.wording.changes import VERBS
from optimizer.report.wording.rule_words import applies_to, demands
from optimizer.verifier import RuleEffect

Cell = str | int | float
Kind = Literal["name", "prose", "count", "figure", "time"]
T = TypeVar("T")


@dataclass(frozen=True)
class PageColumn(Generic[T]):
    """A column of a table.

    Parameters
    ----------
    title
        Head of the column.
    value
        Returns what the column shows of a row.
    kind
        What the cells are: ``name`` is cut off if it is long, ``prose`` is wrapped, ``count`` and ``figure`` are
        numbers without and with two decimals, and ``time`` is a minute of the UTC day, shown in the display time zone.
    """

    title: str
    value: Callable[[T], Cell]
    kind: Kind = "name"

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
    columns: Sequence[PageColumn[Any]]
    rows: Sequence[Sequence[Cell]]

    @classmethod
    def of(cls, name: str, label: str, columns: Sequence[PageColumn[T]], rows: Sequence[T]) -> PageTable:
        """Table of all rows; see the class for the parameters."""
        return cls(name, label, columns, [[column.value(row) for column in columns] for row in rows])


def moves_table(plan: PlanDocument) -> PageTable:
    """VMs with a new start or policy, those whose risk falls most first."""
    columns: tuple[PageColumn[ScheduleEntry], ...] = (
        PageColumn("VM", lambda entry: short_id(entry.vm)),
        PageColumn("Service", lambda entry: short_id(entry.service)),
        PageColumn("Today", lambda entry: entry.start_today),
        PageColumn("Plan", lambda entry: entry.start),
        PageColumn("New policy", lambda entry: entry.policy),
        PageColumn("At risk today", lambda entry: entry.risk_today, "figure"),
        PageColumn("In the plan", lambda entry: entry.risk, "figure"),
        PageColumn("Vault", lambda entry: entry.vault),
        PageColumn("Zone", lambda entry: entry.timezone),
    )
    moved = [
        entry for entry in plan.schedule if entry.start != entry.start_today or entry.policy != entry.policy_today
    ]
    moved.sort(key=lambda entry: (entry.risk - entry.risk_today, entry.vm))
    return PageTable.of("moves", "VMs with a new start or policy", columns, moved)


def schedule_table(plan: PlanDocument) -> PageTable:
    """Every VM as the plan has it; a column for weights only if a rule gives any."""
    weight: PageColumn[ScheduleEntry] = PageColumn("Weight", lambda entry: entry.weight, "figure")
    columns: tuple[PageColumn[ScheduleEntry], ...] = (
        PageColumn("VM", lambda entry: short_id(entry.vm)),
        PageColumn("Service", lambda entry: short_id(entry.service)),
        PageColumn("Vault", lambda entry: entry.vault),
        PageColumn("Runs", _runs),
        PageColumn("Start", lambda entry: entry.start),
        PageColumn("Zone", lambda entry: entry.timezone),
        PageColumn("Start", lambda entry: parse_minute(entry.start_utc), "time"),
        PageColumn("Policy", lambda entry: entry.policy),
        PageColumn("At risk today", lambda entry: entry.risk_today, "figure"),
        PageColumn("In the plan", lambda entry: entry.risk, "figure"),
        *((weight,) if any(entry.weight != 1 for entry in plan.schedule) else ()),
        PageColumn("Why", lambda entry: entry.reason, "prose"),
    )
    return PageTable.of("schedule", "Schedule of every VM", columns, plan.schedule)


def policies_table(plan: PlanDocument) -> PageTable:
    """Policies that are created or edited, with the number of VMs that are assigned to each."""
    arriving = Counter(change.policy_id for change in plan.changes if isinstance(change, ReassignItem))
    columns: tuple[PageColumn[CreatePolicy | EditPolicy], ...] = (
        PageColumn("Policy", lambda change: change.policy),
        PageColumn("What", lambda change: VERBS[change.kind]),
        PageColumn("Vault", lambda change: short_id(change.vault_id)),
        PageColumn("Before", _before),
        PageColumn("Start", lambda change: change.start),
        PageColumn("VMs arriving", lambda change: arriving[change.policy_id], "count"),
    )
    written = [change for change in plan.changes if not isinstance(change, ReassignItem)]
    return PageTable.of("policies", "Policies written", columns, written)


def _before(change: CreatePolicy | EditPolicy) -> str:
    """Origin of a policy that is written: its twin, or its old time, which its name may still state."""
    if isinstance(change, CreatePolicy):
        return f"twin of {short_id(change.twin_of)}"
    return f"{change.start_today}, still in its name" if change.is_misnamed else change.start_today


def services_table(services: Sequence[ServiceComparison]) -> PageTable:
    """All services before and after, in the order of the chart."""
    columns: tuple[PageColumn[ServiceComparison], ...] = (
        PageColumn("Service", lambda service: short_id(service.name)),
        PageColumn("VMs", lambda service: service.vms, "count"),
        PageColumn("Moved", lambda service: service.moved, "count"),
        PageColumn("Overlaps today", lambda service: service.overlaps.today, "figure"),
        PageColumn("In the plan", lambda service: service.overlaps.plan, "figure"),
        PageColumn("Worst half hour today", lambda service: service.peak_windows.today, "count"),
        PageColumn("In the plan", lambda service: service.peak_windows.plan, "count"),
        PageColumn("At risk today", lambda service: service.risk.today, "figure"),
        PageColumn("In the plan", lambda service: service.risk.plan, "figure"),
    )
    return PageTable.of("services", "Services in numbers", columns, services)


def rules_table(plan: PlanDocument, effects: Sequence[RuleEffect]) -> PageTable:
    """Rules in the order of the rules file, with the VMs that they apply to, that move, and that break them."""
    columns: tuple[PageColumn[tuple[Rule, RuleEffect]], ...] = (
        PageColumn("Rule", lambda row: row[0].name, "prose"),
        PageColumn("Applies to", lambda row: applies_to(row[0]), "prose"),
        PageColumn("Demands", lambda row: demands(row[0]), "prose"),
        PageColumn("VMs", lambda row: row[1].vms, "count"),
        PageColumn("Of these move", lambda row: row[1].moved, "count"),
        PageColumn("Break it today", lambda row: row[1].breaking_today, "count"),
        PageColumn("In the plan", lambda row: row[1].breaking_in_plan, "count"),
    )
    return PageTable.of("rules", "Rules", columns, list(zip(plan.rules.rule, effects, strict=True)))


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
