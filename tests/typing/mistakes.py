"""Mistakes that the type checker finds before anything runs: each line is refused for the reason it states.

An ignored error that no longer occurs is an error itself, so these lines fail the check if a type gets too loose.
"""

from __future__ import annotations

import optimizer


def mistakes(estate: optimizer.Estate, plan: optimizer.PlanDocument) -> None:
    """Make mistakes."""
    optimizer.make_plan(estate, "rules.toml")  # type: ignore[arg-type]  # read_rules reads a file
    optimizer.make_plan("estate")  # type: ignore[arg-type]  # open_estate opens a folder
    optimizer.make_plan(estate, efort=5)  # type: ignore[call-arg]  # a misspelled setting
    optimizer.plot_load(plan, estate)  # type: ignore[arg-type]  # the estate comes first
    plan.changes()  # type: ignore[operator]  # `changes` are the entries; changes_frame() is the data frame
    optimizer.Rules(max_moves="20")  # type: ignore[arg-type]  # a number
    optimizer.connect("public", "https://127.0.0.1")  # type: ignore[call-arg]  # options have names
