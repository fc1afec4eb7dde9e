"""An estate after the changes of a scenario, and the forecast for it."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.arm_id import ArmId
from optimizer.model.rules import Rules
from optimizer.whatif.changed_estate import ChangedEstate
from tests.whatif.small import forecast_of, three_vms, vm_id

ESTATE = three_vms()
UNCHANGED = ChangedEstate(ESTATE, Rules())


def test_without_changes_everything_is_as_it_was() -> None:
    """The estate is the same object, which tells that nothing has to be planned again."""
    assert UNCHANGED.estate is ESTATE
    assert (UNCHANGED.copies, UNCHANGED.rehomed, UNCHANGED.policies_made, UNCHANGED.notes) == ({}, (), 0, ())
    forecast = forecast_of(ESTATE)
    assert UNCHANGED.forecast(forecast) is forecast


def test_the_inventory_follows_the_rules() -> None:
    """Services come from where the rules say."""
    by_tag = UNCHANGED.inventory()
    by_group = ChangedEstate(ESTATE, Rules(service_from=("resource_group",))).inventory()
    assert {by_tag.vm(item).service for item in by_tag.items} == {"shop", "db"}
    assert {by_group.vm(item).service for item in by_group.items} == {"rg-app"}


def test_changes_add_up() -> None:
    """Policies and notes of several changes are kept, and the path of the estate stays."""
    once = UNCHANGED.with_resources(1, ["first"], vms=())
    twice = once.with_resources(2, ["second", "third"], vault_settings=())
    assert (twice.policies_made, twice.notes) == (3, ("first", "second", "third"))
    assert twice.estate.path == ESTATE.path
    assert twice.estate.document.vms == ()
    assert once.notes == ("first",)


def test_copies_lead_to_a_vm_of_the_estate() -> None:
    """A copy of a copy is a copy of the original; others are what they are."""
    original, copy, second = (ArmId(vm_id(name)) for name in ("web-1", "web-1-copy-1", "web-1-copy-1-copy-2"))
    twice = UNCHANGED.with_copies({copy: original}).with_copies({second: copy})
    assert twice.copies == {copy: original, second: original}


def test_rehomed_vms_add_up() -> None:
    """VMs of two lost vaults are both counted."""
    assert UNCHANGED.with_rehomed(["a"]).with_rehomed(iter(["b", "c"])).rehomed == ("a", "b", "c")


def test_a_copy_is_as_busy_as_its_original() -> None:
    """The forecast gets a row per copy: probability, days and evidence of the original; other rows stay."""
    forecast = forecast_of(ESTATE, {"web-2": {"23:00": 0.5}, "db-1": {"04:00": 0.25}})
    originals = {"web-2-copy-1": "web-2", "db-1-copy-1": "db-1"}
    changed = UNCHANGED.with_copies({ArmId(vm_id(new)): ArmId(vm_id(old)) for new, old in originals.items()})
    more = changed.forecast(forecast)
    assert more.vm_ids == (*forecast.vm_ids, *changed.copies)
    np.testing.assert_array_equal(more.probability[:3], forecast.probability)
    rows = {ArmId(vm): row for row, vm in enumerate(more.vm_ids)}
    assert more.probability[rows[ArmId(vm_id("web-2-copy-1"))], 46] == 0.5
    assert more.probability[rows[ArmId(vm_id("db-1-copy-1"))], 8] == 0.25
    assert more.num_days.tolist() == [28] * 5
    assert len(more.evidence) == 5


def test_a_copy_needs_an_original_with_a_forecast() -> None:
    """A copy of a VM that the forecast lacks is a mistake of this program, not an idle VM."""
    changed = UNCHANGED.with_copies({ArmId("new"): ArmId("unknown")})
    with pytest.raises(KeyError):
        changed.forecast(forecast_of(ESTATE))
