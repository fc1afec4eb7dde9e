"""Estates and plans that the tests of a module share; they are read, never changed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from optimizer.estate.folder import Estate
from optimizer.model.rules import Rules
from optimizer.plan.case import Case
from optimizer.plan.document import PlanDocument
from optimizer.planning import make_plan_of, prepare
from tests.plan.estates import arm_estate, imported_estate

EFFORT = 2


@dataclass(frozen=True)
class Planned:
    """An estate, what was worked out for it, and its plan."""

    estate: Estate
    case: Case
    plan: PlanDocument


def planned(estate: Estate, rules: Rules | None = None) -> Planned:
    """Plan an estate with little effort."""
    case = prepare(estate, rules)
    return Planned(estate, case, make_plan_of(estate, case, effort=EFFORT, path=estate.path.parent / "plan.json"))


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """Plan the imported estate with the default rules."""
    return planned(imported_estate(tmp_path_factory.mktemp("imported")))


@pytest.fixture(scope="session")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """Plan the estate in the shape of Azure with the default rules."""
    return planned(arm_estate(tmp_path_factory.mktemp("arm") / "estate"))
