"""Conversion of plans from earlier versions of ``plan.json`` to the present version.

Version 1 counted pairs of start windows in half hours (``overlap_pair_slots``, priced with ``overlap``). Version 2
counts expected overlapping snapshots (``overlaps_per_month``, priced with ``snapshot_overlap``). Schedule and changes
mean the same in both, so a plan of version 1 can be reported, applied and rolled back.

Fields that version 2 adds and that version 1 cannot have are filled in by :func:`_as_version_2`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from optimizer.documents.plan_document import PLAN_SCHEMA_VERSION, PlanDocument, ScheduleEntry, TodayAndPlan
from optimizer.model.occupancy import count_overlaps
from optimizer.model.pattern import Pattern
from optimizer.model.rules import converted_overlap_price
from optimizer.model.snapshot_timing import USUAL_TIMING
from optimizer.model.timegrid import Frequency, Horizon, Recurrence, parse_start, parse_weekday, resolve_zone

Content = Mapping[str, Any]


def read_version_1(content: Content) -> PlanDocument:
    """Read a plan of version 1.

    Its overlap figures are computed from its schedule. Its fingerprint remains that of its own content, which its
    rollback file and its journals refer to.

    Raises
    ------
    pydantic.ValidationError
        The content is not a plan.
    """
    plan = PlanDocument.model_validate_json(json.dumps(_as_version_2(content)))
    overlaps = TodayAndPlan(
        today=_overlaps(plan, [entry.start_today for entry in plan.schedule]),
        plan=_overlaps(plan, [entry.start for entry in plan.schedule]),
    )
    gap = round(max(0.0, plan.summary.cost.plan - plan.summary.cost.bound), 6)
    summary = plan.summary.model_copy(update={"overlaps_per_month": overlaps, "gap": gap})
    return plan.model_copy(update={"summary": summary})


def _as_version_2(content: Content) -> dict[str, Any]:
    """Content in the shape of version 2, with 0 overlaps instead of pair-slots."""
    found = {**content, "schema_version": PLAN_SCHEMA_VERSION}
    if isinstance(found.get("summary"), Mapping):
        summary = dict(found["summary"])
        if summary.pop("overlap_pair_slots", None) is not None:
            summary["overlaps_per_month"] = {"today": 0.0, "plan": 0.0}
        found["summary"] = summary
    rules = found.get("rules")
    if isinstance(rules, Mapping) and isinstance(rules.get("prices"), Mapping):
        prices = dict(rules["prices"])
        overlap = prices.pop("overlap", 0.0)
        if isinstance(overlap, int | float):
            prices |= {"snapshot_overlap": converted_overlap_price(overlap), "all_at_once": 0.0, "working_hours": 0.0}
            found["notes"] = [*found.get("notes", ()), _remark(overlap)]
        found["rules"] = {**rules, "prices": prices}
    curve = found.get("moves_curve")
    if isinstance(curve, Mapping) and isinstance(curve.get("points"), list):
        points = [{**point, "overlaps_per_month": None} for point in curve["points"] if isinstance(point, Mapping)]
        for point in points:
            point.pop("overlap_pair_slots", None)
        found["moves_curve"] = {**curve, "points": points}
    return found


def _remark(overlap: float) -> str:
    return (
        "this plan was made by an earlier version, which priced pairs of start windows in half hours (overlap = "
        f"{overlap:g}): costs and bound are those of that price; expected overlaps are computed from the schedule"
    )


def _overlaps(plan: PlanDocument, starts: list[str]) -> float:
    """Expected overlapping snapshots of the whole schedule per 30 days."""
    horizon = Horizon(plan.estate.as_of)
    services: dict[str, int] = {}
    service = [services.setdefault(entry.service, len(services)) for entry in plan.schedule]
    patterns: dict[Pattern, list[int]] = {}
    for row, entry in enumerate(plan.schedule):
        patterns.setdefault(_pattern(entry, horizon), []).append(row)
    overlaps = count_overlaps(
        np.array(service, dtype=np.int64),
        {pattern: np.array(rows, dtype=np.int64) for pattern, rows in patterns.items()},
        np.array([parse_start(start) for start in starts], dtype=np.int64),
        np.tile(USUAL_TIMING.overlap, (len(services), 1)),
    )
    return round(float(overlaps.sum()), 6)


def _pattern(entry: ScheduleEntry, horizon: Horizon) -> Pattern:
    weekly = entry.frequency == Frequency.WEEKLY.value
    days = tuple(sorted(parse_weekday(day) for day in entry.days)) if weekly else ()
    recurrence = Recurrence(Frequency(entry.frequency), days, entry.interval_hours, entry.duration_hours)
    return Pattern(recurrence, horizon.offsets(resolve_zone(entry.timezone)))
