"""What a plan spends to spread services stands apart: in its status, its gap, its moves curve and what it prints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from optimizer.documents.plan_document import PlanDocument
from optimizer.estate.folder import open_estate
from optimizer.plan import prepare
from optimizer.report.terminal.plan import render_plan
from optimizer.report.terminal.sheet import to_text
from optimizer.workflow import import_estate, make_plan_of

NUM_VMS, DAYS = 5, 28


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> PlanDocument:
    """Return the plan, with its curve, of one service that is busy all day and backed up at 23:00 as a whole."""
    folder = tmp_path_factory.mktemp("five")
    head = "vm,service,vault,policy,frequency,days,time,timezone,retention_days\n"
    rows = [f"v{n},s,va,p2300,Daily,,23:00,UTC,30\n" for n in range(NUM_VMS)]
    (folder / "vms.csv").write_text(head + "".join(rows), encoding="utf-8")
    steps = np.arange(DAYS * 288)
    busy = (steps % 288 >= 4 * 12) & (steps % 288 < 22 * 12)
    times = [datetime(2026, 2, 2, tzinfo=UTC) + timedelta(minutes=5 * n) for n in steps.tolist()]
    load = {"ts": times, "cpu_percent": np.where(busy, 95.0, 20.0), "mem_percent": np.full(len(steps), 40.0)}
    frames = [pl.DataFrame({"vm": [f"v{n}"] * len(steps), **load}) for n in range(NUM_VMS)]
    pl.concat(frames).write_parquet(folder / "load.parquet")
    import_estate(folder / "vms.csv", folder / "load.parquet", folder / "estate")
    estate = open_estate(folder / "estate")
    return make_plan_of(estate, prepare(estate), effort=25, gap=0.0, moves_curve=True)


def test_the_search_is_proven_although_services_are_spread(plan: PlanDocument) -> None:
    """No schedule costs less than today's; the plan costs a little more, all of which spreads the service."""
    summary = plan.summary
    assert summary.moved > 0
    assert (summary.status, summary.stopped, summary.captured, summary.gap) == ("optimal", "gap", 1.0, 0.0)
    assert summary.spreading_costs == pytest.approx(summary.cost.plan - summary.cost.bound, abs=1e-4)
    assert summary.left_to_gain == pytest.approx(0.0, abs=1e-4)
    text = " ".join(to_text(render_plan(plan)).split())
    assert "spreads services, as prices.all_at_once (1) demands, and no schedule costs less than" in text


def test_the_last_row_of_the_curve_is_the_plan(plan: PlanDocument) -> None:
    """The one point of the curve is today's schedule, and the plan follows as a row that costs more."""
    curve, summary = plan.moves_curve, plan.summary
    assert curve is not None
    assert curve.spread is not None
    assert curve.rows[-1] == curve.spread
    assert (curve.spread.moved, curve.spread.cost) == (summary.moved, summary.cost.plan)
    assert curve.spread.policy_writes == summary.policies_created + summary.policies_edited
    assert curve.spread.at_risk_per_month == pytest.approx(summary.at_risk_per_month.plan)
    assert curve.spread.cost - curve.points[-1].cost == pytest.approx(summary.spreading_costs, abs=1e-5)
    text = " ".join(to_text(render_plan(plan)).split())
    assert "No move improves today's schedule apart from spreading services. The last row is the plan itself" in text
