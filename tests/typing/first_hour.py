"""What a new user writes in the first hour: a demo, its audit, a plan, tables, charts and the page."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import polars as pl

import optimizer


def main(folder: str) -> None:
    """Work in a folder, which is given as text, as most people write it."""
    optimizer.generate_demo(f"{folder}/estate", vms=8, weeks=2)
    estate = optimizer.open_estate(f"{folder}/estate")
    assert_type(estate, optimizer.Estate)
    assert_type(estate.services(), pl.DataFrame)
    assert_type(estate.vms().height, int)
    assert_type(estate.policies()["vms"], pl.Series)
    assert_type(estate.jobs(), pl.DataFrame)
    name = str(estate.vms()["name"][0])
    assert_type(estate.load.read_vm(name).dates[0].isoformat(), str)

    case = optimizer.prepare(estate)
    audit = optimizer.audit_case(case)
    assert_type(audit, optimizer.Audit)
    assert_type(audit.totals.at_risk_per_month, float)
    assert_type(audit.services[0].service, str)
    for frame in (audit.services_frame(), audit.busy_frame(), audit.vaults_frame()):
        assert_type(frame, pl.DataFrame)

    plan = optimizer.make_plan_of(estate, case, effort=1, path=f"{folder}/plan.json", moves_curve=True)
    assert_type(plan, optimizer.PlanDocument)
    assert_type(plan.schedule_frame(), pl.DataFrame)
    assert_type(plan.changes_frame().columns, list[str])
    assert_type(plan.schedule[0].start, str)
    optimizer.write_plan(plan, f"{folder}/plan.json")
    again = optimizer.read_plan(f"{folder}/plan.json")
    assert_type(optimizer.open_estate_of(again, f"{folder}/plan.json"), optimizer.Estate)

    explanation = optimizer.explain_vm(again, estate, name)
    assert_type(explanation, optimizer.Explanation)
    assert_type(explanation.today.risk, float)

    charts = [
        optimizer.plot_busy_hours(case),
        optimizer.plot_services(estate, plan),
        optimizer.plot_at_risk(estate, plan),
        optimizer.plot_load(estate, plan, name),
        optimizer.plot_moves(plan),
    ]
    assert all(chart.document is None for chart in charts)

    optimizer.write_report(plan, estate, Path(folder) / "page.html", zone="Europe/Berlin")
    page = optimizer.render_html(
        plan,
        estate.inventory(plan.rules.service_from),
        estate.load,
        limits=optimizer.price_plan_limits(plan, estate, num_rounds=1),
    )
    assert_type(page, str)
