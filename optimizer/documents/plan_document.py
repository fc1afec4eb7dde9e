"""Classes of ``plan.json``, and the JSON Schema made from them.

After a change here, run ``python -m optimizer.documents.plan_document > docs/plan.schema.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from optimizer.documents.audit_document import OrderGap
from optimizer.documents.moves_document import Knee, MovesCurve
from optimizer.documents.together_document import ServiceTogether
from optimizer.documents.toward_document import Toward
from optimizer.model.arm_id import ArmId
from optimizer.model.arrays import IntArray
from optimizer.model.frames import frame_of
from optimizer.model.html_table import MOST_ROWS, Cell, html_table, html_view, name_of
from optimizer.model.inventory import Inventory
from optimizer.model.phrases import counted
from optimizer.model.policy_names import states_start
from optimizer.model.raw import mapping, word
from optimizer.model.rules import Rules
from optimizer.model.strict import StrictModel
from optimizer.model.timegrid import parse_start

if TYPE_CHECKING:  # importing polars takes time, which reading a plan does not need
    import polars as pl

PLAN_SCHEMA_VERSION: Literal[2] = 2

NO_FINGERPRINT = "sha256:" + 64 * "0"
"""Fingerprint of a plan whose content is not complete yet."""

FIELDS_NOT_SENT = ("protectedItemsCount", "resourceGuardOperationRequests")
"""Properties of a policy in Azure's answers that no write contains: a count, and requests that were made once."""

StartText = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):(00|30)$")]
UtcText = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class TodayAndPlan(StrictModel):
    """A figure under today's schedule and under the plan."""

    today: float
    plan: float


class TodayAndPlanCount(StrictModel):
    """A count under today's schedule and under the plan."""

    today: int
    plan: int


class CostSummary(StrictModel):
    """Total cost in at-risk backups per 30 days; today's is stated whether or not it satisfies the rules."""

    today: float
    reference: float
    plan: float
    bound: float


class Expectation(StrictModel):
    """An expected change and its 90 % interval.

    Parameters
    ----------
    value, low, high
        The change and its interval.
    today, plan
        The figure under today's schedule and under the plan, by the same estimate: ``value`` is their difference.
        None in plans of older versions.
    """

    value: float
    low: float
    high: float
    today: Annotated[float | None, Field(exclude_if=lambda figure: figure is None)] = None
    plan: Annotated[float | None, Field(exclude_if=lambda figure: figure is None)] = None


class WeightedFigures(StrictModel):
    """At-risk backups times the weight of their VM; overlaps times the smaller weight of both VMs; per 30 days."""

    at_risk_per_month: TodayAndPlan
    overlaps_per_month: TodayAndPlan


class Summary(StrictModel):
    """The figures of a plan; ``plan --format json`` prints exactly this.

    Parameters
    ----------
    reference
        What ``captured`` is measured against: today's schedule, or a greedy one where today's breaks rules.
    overlaps_per_month
        Expected overlapping snapshots per 30 days, by the approximate probability that has a price.
    overlaps_exact
        The same by the exact probability, which also counts snapshots scheduled two hours apart. None in plans of
        older versions.
    working_hours_starts
        Expected number of backups per 30 days that start in working hours. None in plans of older versions.
    knee
        About how many of the moves give most of the gain. None where the plan gains nothing over today's schedule,
        and in plans of older versions.
    broken_today
        Names of the rules that today's schedule breaks where the reference is greedy, those with the most VMs first.
    weighted
        The figures that the objective counts where a rule gives any VM a weight other than 1; else None.
    captured
        Certified share of all possible improvement over the reference; 1 where ``status`` is ``optimal``.
    stopped
        What ended the search. ``order``: cheaper schedules were found, but no order of writes for them that keeps the
        rules after every write.
    status
        ``optimal`` if the gap is at most 0.01 % of the cost.
    gap
        Most that any schedule could save besides ``spreading_costs``, in at-risk backups per 30 days: cost of the plan
        less ``spreading_costs`` and the proven bound. Left out of plans of earlier versions.
    spreading_costs
        Part of the plan's cost that spreads services beyond what that saves in overlaps, as ``prices.all_at_once``
        demands, in at-risk backups per 30 days. ``status``, ``captured`` and ``gap`` leave it out. Left out where it
        is 0.
    toward
        For plans of ``plan --toward``, where today's schedule breaks rules: how far the plan leads; else None.
    model_change
        Change of at-risk backups per 30 days that the model sees, in-sample. None in plans of older versions.
    expected_change
        Change to be expected, by choices judged on days that they were not made on: observed frequencies, while
        ``at_risk_per_month`` is the model's smoothed estimate. None where the history is shorter than six days, and
        in plans of older versions.
    """

    vms: int
    moved: int
    reassigned: int
    policies_created: int
    policies_edited: int
    status: Literal["optimal", "feasible"]
    stopped: Literal["gap", "effort", "time", "order"]
    reference: Literal["today", "greedy"]
    at_risk_per_month: TodayAndPlan
    overlaps_per_month: TodayAndPlan
    overlaps_exact: Annotated[TodayAndPlan | None, Field(exclude_if=lambda exact: exact is None)] = None
    working_hours_starts: Annotated[TodayAndPlan | None, Field(exclude_if=lambda starts: starts is None)] = None
    peak_concurrency: TodayAndPlanCount
    weighted: Annotated[WeightedFigures | None, Field(exclude_if=lambda figures: figures is None)] = None
    vms_helped: int
    vms_unharmed: int
    vms_harmed: int
    cost: CostSummary
    knee: Annotated[Knee | None, Field(exclude_if=lambda knee: knee is None)] = None
    broken_today: Annotated[tuple[str, ...], Field(exclude_if=lambda rules: not rules)] = ()
    captured: float
    gap: Annotated[float | None, Field(exclude_if=lambda gap: gap is None)] = None
    spreading_costs: Annotated[float, Field(exclude_if=lambda costs: costs == 0)] = 0.0
    toward: Annotated[Toward | None, Field(exclude_if=lambda toward: toward is None)] = None
    seconds: float
    model_change: Annotated[float | None, Field(exclude_if=lambda change: change is None)] = None
    expected_change: Annotated[Expectation | None, Field(exclude_if=lambda change: change is None)] = None

    @property
    def left_to_gain(self) -> float:
        """The figure ``gap``, including for plans that older versions wrote without it."""
        return max(0.0, self.cost.plan - self.spreading_costs - self.cost.bound)

    @property
    def costs_more_than_today(self) -> bool:
        """Whether the plan costs noticeably more than today's schedule, although that one keeps every rule.

        Spreading a service can cost more than it saves in overlaps; see `optimizer.plan.together`.
        """
        return self.reference == "today" and self.cost.plan > self.cost.today + 0.005

    def _repr_html_(self) -> str:
        """Figures today and in the plan, for a notebook."""
        figures: list[tuple[Cell, ...]] = [
            ("at-risk backups", self.at_risk_per_month.today, self.at_risk_per_month.plan),
            ("overlapping snapshots", self.overlaps_per_month.today, self.overlaps_per_month.plan),
            ("worst half hour of a service", self.peak_concurrency.today, self.peak_concurrency.plan),
            ("cost", self.cost.today, self.cost.plan),
            ("proven bound of the cost", None, self.cost.bound),
        ]
        if starts := self.working_hours_starts:
            figures.insert(2, ("starts in working hours", starts.today, starts.plan))
        reference = "today's schedule" if self.reference == "today" else "a greedy schedule"
        sentence = (
            f"{counted(self.moved, 'VM moves', 'VMs move')}; {counted(self.policies_created, 'policy', 'policies')} "
            f"created, {self.policies_edited:,} edited, {counted(self.reassigned, 'VM', 'VMs')} reassigned. The plan "
            f"takes {self.captured:.1%} of the possible improvement over {reference}. Figures are per 30 days."
        )
        title = f"Plan for {counted(self.vms, 'VM', 'VMs')}, {self.status}"
        return html_view(title, [sentence], html_table(("", "today", "plan"), figures))


class ScheduleEntry(StrictModel):
    """One VM's backup today and in the plan; times are of ``timezone``, ``_utc`` ones at the horizon's start.

    ``risk_today`` and ``risk`` are not multiplied by ``weight``, which is left out where it is 1.
    """

    vm: ArmId
    service: str
    vault: str
    frequency: Literal["Daily", "Weekly", "Hourly"]
    days: tuple[str, ...]
    interval_hours: int | None
    duration_hours: int | None
    timezone: str
    policy_today: str
    start_today: StartText
    start_today_utc: UtcText
    policy: str
    start: StartText
    start_utc: UtcText
    risk_today: float
    risk: float
    weight: Annotated[float, Field(ge=0.1, le=100, exclude_if=lambda weight: weight == 1)] = 1.0
    reason: str


class CreatePolicy(StrictModel):
    """A new policy: a twin of ``twin_of`` in everything but name and time."""

    kind: Literal["create_policy"] = "create_policy"
    vault_id: ArmId
    policy: str
    policy_id: ArmId
    twin_of: str
    start: StartText
    properties: dict[str, Any]


class EditPolicy(StrictModel):
    """A new time for a policy all of whose items go to that time."""

    kind: Literal["edit_policy"] = "edit_policy"
    vault_id: ArmId
    policy: str
    policy_id: ArmId
    start_today: StartText
    start: StartText
    properties: dict[str, Any]

    @property
    def is_misnamed(self) -> bool:
        """Whether the policy, which cannot be renamed, states its old start in its name, and not the new one."""
        hourly = word(mapping(self.properties.get("schedulePolicy")).get("scheduleRunFrequency")) == "Hourly"
        before, after = (
            states_start(self.policy, parse_start(start), hourly=hourly) for start in (self.start_today, self.start)
        )
        return before and not after


class ReassignItem(StrictModel):
    """A protected item that goes to another policy of its vault."""

    kind: Literal["reassign_item"] = "reassign_item"
    vault_id: ArmId
    item_id: ArmId
    vm: ArmId
    policy_today: str
    policy_today_id: ArmId
    policy: str
    policy_id: ArmId


Change = Annotated[CreatePolicy | EditPolicy | ReassignItem, Field(discriminator="kind")]


class EstateReference(StrictModel):
    """The estate that a plan was made for.

    Parameters
    ----------
    path
        Where it is, relative to the folder of the plan.
    fingerprint
        Digest of the whole estate.
    as_of
        When the estate was taken.
    objects
        Digest of its vaults, policies, items and VMs, which ``plan.rollback.json`` keeps. None in plans of older
        versions.
    """

    path: str
    fingerprint: str
    as_of: datetime
    objects: Annotated[str | None, Field(exclude_if=lambda digest: digest is None)] = None


class HistorySource(StrictModel):
    """A journal or a plan that was given as history, with the moves found in it.

    Parameters
    ----------
    file
        Its name, without the folder.
    moves
        Number of VMs that a journal moved, or that a plan would move.
    in_force
        Number of these VMs that no rollback returned; for a plan, that start today at their planned time.
    known_before
        For a plan: number of other VMs of the estate that it counted as recently moved when it was made.
    recent
        Number of VMs that it shows as moved in the last ``prices.recent_days`` days.
    """

    file: str
    kind: Literal["journal", "plan"]
    moves: int
    in_force: int
    known_before: int = 0
    recent: int


class EarlierPlanSource(StrictModel):
    """The earlier plan that a search started from.

    Parameters
    ----------
    file
        Its name, without the folder.
    fingerprint
        Its fingerprint.
    """

    file: str
    fingerprint: str


class Settings(StrictModel):
    """Settings that the plan depends on besides its rules and its estate.

    Parameters
    ----------
    gap
        Share of the possible improvement that the search could leave open. Omitted from plan.json at 0, so that
        plans without it stay readable.
    history
        Journals and plans given as history, with the moves that are still in force; empty by default.
    recently_moved
        Day of the last move, by the VM's id, of the VMs whose move was priced with ``prices.move_recent``.
    earlier
        Earlier plan that the search started from; None by default.
    """

    seed: int
    effort: int
    gap: Annotated[float, Field(ge=0, le=1, exclude_if=lambda gap: gap == 0)] = 0.0
    time_limit_seconds: float | None
    history: Annotated[tuple[HistorySource, ...], Field(exclude_if=lambda sources: not sources)] = ()
    recently_moved: Annotated[Mapping[ArmId, date], Field(exclude_if=lambda moved: not moved)] = {}
    earlier: Annotated[EarlierPlanSource | None, Field(exclude_if=lambda source: source is None)] = None


class PlanDocument(StrictModel):
    """A complete plan: its input, its schedule and figures, and its changes in order.

    Parameters
    ----------
    created_at
        When it was made.
    fingerprint
        Digest of everything but itself, ``created_at`` and ``summary.seconds``; a plan that was edited is refused.
    services_together
        Services whose start windows overlap in the plan: those in which all do, then those in which some do.
    moves_curve
        What fewer moves would gain, where that was asked for.
    orders
        For rules with ``order``: how far the sets are apart under the plan.
    """

    schema_version: Literal[2] = PLAN_SCHEMA_VERSION
    created_at: datetime
    fingerprint: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    estate: EstateReference
    rules: Rules
    settings: Settings
    versions: dict[str, str]
    summary: Summary
    notes: tuple[str, ...] = ()
    schedule: tuple[ScheduleEntry, ...]
    changes: tuple[Change, ...]
    services_together: tuple[ServiceTogether, ...] = ()
    moves_curve: Annotated[MovesCurve | None, Field(exclude_if=lambda curve: curve is None)] = None
    orders: Annotated[tuple[OrderGap, ...], Field(exclude_if=lambda gaps: not gaps)] = ()

    def starts_in(self, inventory: Inventory) -> IntArray:
        """Start option of every item of an inventory in this plan; shape (num_items,).

        Raises
        ------
        ValueError
            The schedule lacks an item, so the plan was made for another estate.
        """
        option = {entry.vm: parse_start(entry.start) for entry in self.schedule}
        missing = [item.vm_id for item in inventory.items if item.vm_id not in option]
        if missing:
            raise ValueError(f"the schedule has no entry for {len(missing)} VMs of the estate, first {missing[0]!r}")
        return np.array([option[item.vm_id] for item in inventory.items], dtype=np.int64)

    # `schedule` and `changes` are fields of the file, so the data frames of their entries need names of their own.

    def schedule_frame(self) -> pl.DataFrame:
        """Schedule as a data frame with one row per VM, in the order of ``schedule``.

        The columns are ``name`` (of the VM), those of :class:`ScheduleEntry`, and ``moves`` (whether the start
        changes).
        """
        import polars as pl

        return frame_of(self.schedule, ScheduleEntry).select(
            pl.col("vm").str.split("/").list.last().alias("name"),
            pl.all(),
            (pl.col("start") != pl.col("start_today")).alias("moves"),
        )

    def changes_frame(self) -> pl.DataFrame:
        """Changes as a data frame with one row per change, in the order in which they are made.

        The columns are ``number`` (from 1), ``kind`` (``create_policy``, ``edit_policy`` or ``reassign_item``),
        ``vault`` (its name), ``vm`` and ``policy_today`` (of a VM that is reassigned, else null), ``policy`` (name of
        the policy that is written, or that the VM is assigned to), and ``start_today`` and ``start`` (``HH:MM`` in the
        zone of the policy; ``start_today`` is null for a policy that is created).
        """
        import polars as pl

        columns = ("kind", "vault_id", "vm", "policy_today", "policy", "start_today", "start")
        starts = {
            entry.vm.casefold(): {"start_today": entry.start_today, "start": entry.start} for entry in self.schedule
        }
        rows = [
            {
                "number": number,
                **{name: getattr(change, name, None) for name in columns},
                **(starts[change.vm.casefold()] if isinstance(change, ReassignItem) else {}),
            }
            for number, change in enumerate(self.changes, start=1)
        ]
        frame = pl.DataFrame(rows, schema={"number": pl.Int64, **dict.fromkeys(columns, pl.String)})
        vault = pl.col("vault_id").str.split("/").list.last()
        return frame.with_columns(vault_id=vault).rename({"vault_id": "vault"})

    def _repr_html_(self) -> str:
        """Figures of the plan and the VMs whose risk falls most, for a notebook."""
        moved = [entry for entry in self.schedule if entry.start != entry.start_today]
        moved.sort(key=lambda entry: (entry.risk - entry.risk_today, entry.vm))
        rows = [
            (
                name_of(entry.vm),
                name_of(entry.service),
                entry.start_today,
                entry.start,
                entry.timezone,
                entry.risk_today,
                entry.risk,
            )
            for entry in moved[:MOST_ROWS]
        ]
        columns = ("VM", "service", "today", "plan", "zone", "at risk today", "at risk in the plan")
        moves = html_table(columns, rows, total=len(moved)) if moved else ""
        return self.summary._repr_html_() + html_view("VMs that move" if moved else "", [], moves, notes=self.notes)


def json_schema() -> str:
    """Text of the published JSON Schema (draft 2020-12) of a plan.

    This is the schema for reading. In pydantic's schema for writing, the rules would be unspecified, because they are
    dumped without their defaults.
    """
    schema = PlanDocument.model_json_schema(mode="validation")
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(dialect | schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(json_schema())
