"""A plan is known by its content, and its changes are those that its estate allows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from optimizer.documents.fingerprint import check_changes, fingerprint_of, with_fingerprint
from optimizer.documents.plan_document import Change, CreatePolicy, EditPolicy, PlanDocument, ReassignItem
from optimizer.documents.plan_file import read_plan, write_plan
from optimizer.errors import PlanFormatError
from tests.plan.estates import VAULT, item, policy_id, standard_policy, vm_id
from tests.plan.planned import Planned


def test_a_plan_carries_its_own_fingerprint(arm: Planned) -> None:
    """What was planned has the fingerprint of its content, also after it was written and read."""
    assert arm.plan.fingerprint == fingerprint_of(arm.plan)
    assert fingerprint_of(PlanDocument.model_validate_json(arm.plan.model_dump_json())) == arm.plan.fingerprint


def test_time_of_making_is_not_content(arm: Planned) -> None:
    """When and how fast a plan was made does not change its fingerprint; anything else does."""
    later = arm.plan.model_copy(
        update={
            "created_at": datetime(2030, 1, 1, tzinfo=UTC),
            "summary": arm.plan.summary.model_copy(update={"seconds": 1e6}),
        }
    )
    assert fingerprint_of(later) == arm.plan.fingerprint
    assert fingerprint_of(arm.plan.model_copy(update={"notes": ("x",)})) != arm.plan.fingerprint
    assert fingerprint_of(arm.plan.model_copy(update={"changes": arm.plan.changes[1:]})) != arm.plan.fingerprint


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a change left out": lambda plan: plan["changes"].pop(),
    "another order": lambda plan: plan["changes"].reverse(),
    "a figure": lambda plan: plan["summary"].update(moved=0),
    "a rule": lambda plan: plan["rules"].update(max_moves=3),
    "another fingerprint": lambda plan: plan.update(fingerprint="sha256:" + 64 * "0"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_plan_is_refused(arm: Planned, tmp_path: Path, edit: str) -> None:
    """The message names the file, both fingerprints and what to do."""
    path = tmp_path / "plan.json"
    write_plan(arm.plan, path)
    assert read_plan(path) == arm.plan
    content = json.loads(path.read_text(encoding="utf-8"))
    EDITS[edit](content)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(PlanFormatError) as caught:
        read_plan(path)
    message = str(caught.value)
    assert str(path) in message
    assert content["fingerprint"] in message
    assert message.count("sha256:") == 2
    assert "make the plan again; plans are not edited by hand" in message


def test_changes_of_a_plan_pass_the_check(arm: Planned) -> None:
    """Whatever the planner writes does nothing but move starts."""
    assert arm.plan.changes
    check_changes(arm.plan, arm.estate.document)


def test_imported_estates_have_no_ids(imported: Planned) -> None:
    """A plan of an imported estate cannot be carried out, and the message says what can be done instead."""
    with pytest.raises(PlanFormatError, match=r"imported estate.*'pull' the estate from Azure"):
        check_changes(imported.plan, imported.estate.document)


NEW = standard_policy("nightly-0300", "03:00")["properties"]
CREATE = CreatePolicy(
    vault_id=VAULT,
    policy="nightly-0300",
    policy_id=policy_id("nightly-0300"),
    twin_of="nightly",
    start="03:00",
    properties=NEW,
)
EDIT = EditPolicy(
    vault_id=VAULT,
    policy="nightly",
    policy_id=policy_id("nightly"),
    start_today="23:00",
    start="03:00",
    properties=NEW,
)
MOVE = ReassignItem(
    vault_id=VAULT,
    item_id=item("vm-1", "nightly")["id"],
    vm=vm_id("vm-1"),
    policy_today="nightly",
    policy_today_id=policy_id("nightly"),
    policy="nightly-0300",
    policy_id=policy_id("nightly-0300"),
)


def altered(change: Change, **update: Any) -> Change:
    return change.model_copy(update=update)


def with_(properties: dict[str, Any], *path: str, value: Any) -> dict[str, Any]:
    """Deep copy of properties with another value somewhere."""
    copy: dict[str, Any] = json.loads(json.dumps(properties))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


OTHER_VAULT = VAULT.replace("rsv-one", "rsv-two")
SHORTER = with_(NEW, "retentionPolicy", "dailySchedule", "retentionDuration", "count", value=7)

FORGED: dict[str, tuple[tuple[Change, ...], str]] = {
    "shorter retention": ((altered(EDIT, properties=SHORTER),), "in more than the start 03:00: retentionPolicy"),
    "shorter retention in a new policy": ((altered(CREATE, properties=SHORTER), MOVE), "retentionPolicy"),
    "another frequency": (
        (altered(EDIT, properties=with_(NEW, "schedulePolicy", "scheduleRunFrequency", value="Weekly")),),
        "schedulePolicy",
    ),
    "another zone": ((altered(EDIT, properties=with_(NEW, "timeZone", value="Tokyo Standard Time")),), "timeZone"),
    "one retention time of its own": (
        (
            altered(
                EDIT,
                properties=with_(
                    NEW, "retentionPolicy", "dailySchedule", "retentionTimes", value=["2019-05-01T04:00:00Z"]
                ),
            ),
        ),
        "retentionPolicy",
    ),
    "another date": (
        (altered(EDIT, properties=with_(NEW, "schedulePolicy", "scheduleRunTimes", value=["2029-05-01T03:00:00Z"])),),
        "schedulePolicy",
    ),
    "a field more": (
        (altered(EDIT, properties={**NEW, "snapshotConsistencyType": "OnlyCrashConsistent"}),),
        "snapshot",
    ),
    "a guard request": (
        (altered(EDIT, properties={**NEW, "resourceGuardOperationRequests": ["x"]}),),
        "resourceGuard",
    ),
    "a start that the body does not say": ((altered(EDIT, start="04:00"),), "in more than the start 04:00"),
    "a creation over a policy": (
        (altered(CREATE, policy="weekend", policy_id=policy_id("weekend")),),
        "is to be created, but it is in the estate",
    ),
    "an unknown twin": ((altered(CREATE, twin_of="none"),), "none is not in the estate"),
    "a twin beyond the vault": ((altered(CREATE, twin_of="../../x"),), "is no id of a backup policy"),
    "a name that is not the id's": ((altered(CREATE, policy="other"),), "is not called 'other'"),
    "a policy of another vault": (
        (altered(CREATE, policy_id=policy_id("nightly-0300", OTHER_VAULT)),),
        "is not of vault",
    ),
    "an edit of a policy that is not there": (
        (altered(EDIT, policy="none", policy_id=policy_id("none")),),
        "not in the estate",
    ),
    "an edit of another workload's": (
        (altered(EDIT, policy="sql", policy_id=policy_id("sql")),),
        "is not a VM backup",
    ),
    "no policy": ((altered(MOVE, policy_id=""),), "'' is no id of a backup policy"),
    "a target that nobody made": ((MOVE,), "nightly-0300 is not in the estate"),
    "a target that is no twin": (
        (altered(MOVE, policy="weekend", policy_id=policy_id("weekend")),),
        "policy 'weekend' differs from 'nightly' in more than the time",
    ),
    "a target in another vault": (
        (altered(MOVE, policy_id=policy_id("nightly-0300", OTHER_VAULT)),),
        "would leave vault",
    ),
    "an item that is not there": (
        (CREATE, altered(MOVE, item_id=item("vm-9", "nightly")["id"])),
        "is not in the estate",
    ),
    "another VM": ((CREATE, altered(MOVE, vm=vm_id("vm-2"))), "not /subscriptions"),
    "another policy today": ((CREATE, altered(MOVE, policy_today_id=policy_id("weekend"))), "has policy"),
    "an item twice": ((CREATE, MOVE, MOVE), "is changed twice"),
    "an id that climbs": ((altered(EDIT, policy_id=f"{VAULT}/backupPolicies/../x"),), "is no id of a backup policy"),
    "an id with a query": ((CREATE, altered(MOVE, item_id=MOVE.item_id + "?x=1")), "is no id of a protected item"),
    "a vault that is none": ((altered(EDIT, vault_id="rsv-one"),), "is no id of a vault"),
}


def small(arm: Planned, changes: tuple[Change, ...]) -> tuple[PlanDocument, Any]:
    """A plan with these changes, and an estate of three policies and a VM."""
    policies = (
        standard_policy("nightly", "23:00", items=1),
        standard_policy("weekend", "03:00", items=0, count=90),
        {"id": policy_id("sql"), "name": "sql", "properties": {"backupManagementType": "AzureWorkload"}},
    )
    document = arm.estate.document.model_copy(
        update={"policies": policies, "protected_items": (item("vm-1", "nightly"),)}
    )
    return with_fingerprint(arm.plan.model_copy(update={"changes": changes})), document


def test_honest_changes_pass(arm: Planned) -> None:
    """A new twin with an item that goes to it, and an edit of the time, are what a plan may do."""
    check_changes(*small(arm, (CREATE, MOVE)))
    check_changes(*small(arm, (EDIT,)))
    check_changes(*small(arm, (altered(EDIT, policy_id=policy_id("nightly").upper(), policy="NIGHTLY"),)))


@pytest.mark.parametrize("case", FORGED)
def test_forged_changes_are_refused(arm: Planned, case: str) -> None:
    """A plan with a fitting fingerprint still cannot do anything but move starts."""
    changes, expected = FORGED[case]
    with pytest.raises(PlanFormatError) as caught:
        check_changes(*small(arm, changes))
    assert expected in str(caught.value)
    assert "change " in str(caught.value)
    assert "make the plan again" in str(caught.value)
