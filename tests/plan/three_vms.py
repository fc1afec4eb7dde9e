"""A case of three VMs whose risk is given, and its plan: made once per process, and never changed."""

from __future__ import annotations

from functools import cache

from optimizer.estate import Estate
from optimizer.plan import Case, Planned, Planner, plan_case
from optimizer.solve import Search
from tests.whatif.small import case_of, three_vms

DB, WEB_1, WEB_2 = 0, 1, 2
"""Indices of the VMs: the database, and the two VMs of the shop."""

PROBABILITY = {"web-1": {"23:00": 0.5, "02:00": 0.1}}
"""``web-1`` is busy at its start of today in half of the nights: 15 at-risk backups in 30 days."""


@cache
def the_estate() -> Estate:
    """Three VMs at 23:00: two of a shop in one policy of vault A, one of a database in vault B."""
    return three_vms()


@cache
def the_case() -> Case:
    """The estate with the default rules."""
    return case_of(the_estate(), None, PROBABILITY)


@cache
def the_plan() -> Planned:
    """The plan: only ``web-1`` moves, which avoids its busy night and the overlap with ``web-2``."""
    return plan_case(Planner(Search(effort=1)), the_estate(), the_case())
