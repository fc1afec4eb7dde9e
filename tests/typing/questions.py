"""What a user with questions writes: what if, how much depends on the prices, and why is there no schedule."""

from __future__ import annotations

from typing import assert_type

import polars as pl

import optimizer


def main(folder: str) -> None:
    """Ask an estate."""
    estate = optimizer.open_estate(folder)
    planner = optimizer.Planner(optimizer.Search(effort=1, gap=0.0), engine=optimizer.SERIAL)
    answer = optimizer.what_if(
        estate, [optimizer.Scenario.parse("prices.move=0.5", name="moves are expensive")], planner=planner
    )
    assert_type(answer, optimizer.WhatIf)
    assert_type(answer.scenarios_frame(), pl.DataFrame)
    assert_type(answer.scenarios[0].start_changes_frame(), pl.DataFrame)
    assert_type(answer.base.captured, float)
    sensitivity = optimizer.sensitivity(estate, planner=planner)
    assert_type(sensitivity, optimizer.Sensitivity)
    assert_type(sensitivity.prices_frame(), pl.DataFrame)
    assert_type(sensitivity.vms_frame(), pl.DataFrame)
    diagnosis = optimizer.diagnose_case(optimizer.prepare(estate), effort=1)
    assert_type(len(diagnosis.conflicts), int)


def with_workers(folder: str) -> None:
    """Ask with several processes; only the type checker reads this, because starting them takes long."""
    with optimizer.open_engine("local", processes=4) as engine:
        assert_type(engine, optimizer.Engine)
        optimizer.prepare(optimizer.open_estate(folder), engine=engine)
