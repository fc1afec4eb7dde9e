"""The writes of a case: which VMs each one moves, and which names are taken."""

from __future__ import annotations

import numpy as np

from optimizer.estate import Estate
from optimizer.model.arm_id import ArmId
from optimizer.plan.make.case_writes import CaseWrites
from tests.plan.three_vms import DB, WEB_1, WEB_2, the_case, the_estate

WRITES = CaseWrites.of(the_estate(), the_case())


def schedule(**options: int) -> np.ndarray:
    """Today's schedule, but for these VMs."""
    found = the_case().problem.instance.today.copy()
    for name, option in options.items():
        found[{"db": DB, "web_1": WEB_1, "web_2": WEB_2}[name]] = option
    return found


def test_todays_schedule_needs_no_writes() -> None:
    """Nothing is written, and nothing is stuck."""
    assert WRITES.changes_to(schedule()).changes == ()
    assert list(WRITES.in_order(schedule())) == []
    assert WRITES.stuck(schedule()) == ()


def test_an_edit_moves_all_vms_of_a_policy_at_once() -> None:
    """Both VMs of the shop go to one start, so their policy is edited: one write for two VMs."""
    assert list(WRITES.in_order(schedule(web_1=4, web_2=4))) == [[WEB_1, WEB_2]]


def test_a_reassignment_moves_one_vm() -> None:
    """A policy that is created moves no VM by itself."""
    options = schedule(web_1=4)
    assert [change.kind for change in WRITES.changes_to(options).changes] == ["create_policy", "reassign_item"]
    assert list(WRITES.in_order(options)) == [[WEB_1]]


def test_names_of_other_workloads_are_taken() -> None:
    """A new policy gets another name if a policy of SQL Server has the one that it would have."""
    (create, _) = WRITES.changes_to(schedule(web_1=4)).changes
    document = the_estate().document
    sql = {"id": str(create.policy_id), "name": create.policy, "properties": {"backupManagementType": "AzureWorkload"}}  # type: ignore[union-attr]  # a creation
    estate = Estate(the_estate().path, document.model_copy(update={"policies": (*document.policies, sql)}))
    writes = CaseWrites.of(estate, the_case())
    assert ArmId(create.policy_id) in writes.known  # type: ignore[union-attr]  # a creation
    (other, _) = writes.changes_to(schedule(web_1=4)).changes
    assert other.policy == f"{create.policy}-2"
