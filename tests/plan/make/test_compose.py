"""A result becomes a document that the verifier has passed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from optimizer.documents.fingerprint import fingerprint_of
from optimizer.errors import VerificationError
from optimizer.model.clock import VirtualClock
from optimizer.plan.make.compose import Composer, settings_of
from optimizer.solve import Search
from tests.plan.three_vms import the_case, the_estate, the_plan

NOW = datetime(2026, 2, 24, tzinfo=UTC)
COMPOSER = Composer(
    the_estate(), the_case(), settings_of(Search(seed=7, effort=2, gap=0.1)), Path("plan.json"), 0.0, VirtualClock(NOW)
)


def test_the_document_has_its_own_fingerprint_and_time() -> None:
    """Fingerprint, settings and time are those that were given."""
    plan = COMPOSER.compose(the_plan().result)
    assert plan.fingerprint == fingerprint_of(plan)
    assert plan.created_at == NOW
    assert (plan.settings.seed, plan.settings.effort, plan.settings.gap) == (7, 2, 0.1)
    assert plan.estate.fingerprint == the_estate().fingerprint
    assert [entry.vm.name for entry in plan.schedule] == ["db-1", "web-1", "web-2"]
    assert [change.kind for change in plan.changes] == ["create_policy", "reassign_item"]


def test_a_result_with_a_wrong_figure_is_no_plan() -> None:
    """A bound above the cost is found by the verifier, and no document is returned."""
    result = the_plan().result
    with pytest.raises(VerificationError, match="the bound"):
        COMPOSER.compose(replace(result, bound=result.cost.total + 1))
