"""A plan applied in memory."""

from __future__ import annotations

import pytest

from optimizer.documents.applied import apply_in_memory
from optimizer.plan.make.case_writes import CaseWrites
from tests.plan.three_vms import WEB_1, the_case, the_estate, the_plan


def test_policies_are_created_and_items_assigned_with_their_counts() -> None:
    """One item leaves its policy of two; the document that was given stays as it was."""
    before, after = the_estate().document, apply_in_memory(the_estate().document, the_plan().plan.changes)
    assert len(after.policies) == len(before.policies) + 1
    home = {policy["id"]: policy["properties"].get("protectedItemsCount") for policy in after.policies}
    assert sorted(count for count in home.values() if count is not None) == [1, 1]
    assert sorted(policy["properties"]["protectedItemsCount"] for policy in before.policies) == [1, 2]


def test_an_edit_keeps_the_number_of_items() -> None:
    """Only the properties that are sent change."""
    options = the_case().problem.instance.today.copy()
    options[WEB_1:] = 4
    changes = CaseWrites.of(the_estate(), the_case()).changes_to(options).changes
    after = apply_in_memory(the_estate().document, changes)
    (edited,) = [policy for policy in after.policies if policy not in the_estate().document.policies]
    assert edited["properties"]["protectedItemsCount"] == 2


def test_changes_of_another_estate_are_refused() -> None:
    """They name a policy that is not there."""
    document = the_estate().document.model_copy(update={"policies": ()})
    with pytest.raises(KeyError):
        apply_in_memory(document, the_plan().plan.changes)
