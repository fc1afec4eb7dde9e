"""The roles that are published are those that the program needs, and no more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optimizer.azure.permissions import (
    OPERATOR_ROLE,
    PERMISSIONS,
    READER_ROLE,
    Command,
    find_permission,
    how_to_get,
    role_definition,
)

ROLES = Path(__file__).parents[2] / "data" / "roles"


@pytest.mark.parametrize(("command", "file"), [("pull", "reader.json"), ("apply", "operator.json")])
def test_the_published_roles_are_current(command: Command, file: str) -> None:
    """The files are made from the table; ``role_definition`` gives their content."""
    assert json.loads((ROLES / file).read_text(encoding="utf-8")) == role_definition(command)


def test_the_reader_cannot_write() -> None:
    """Every action of the reader is one of reading, spelled out."""
    actions = role_definition("pull")["Actions"]
    assert all(action.endswith("/read") and "*" not in action for action in actions)


def test_the_operator_writes_policies_and_items_only() -> None:
    """Beyond reading there are policies, the assignment of items and the service's own operations."""
    more = [action for action in role_definition("apply")["Actions"] if not action.endswith("/read")]
    assert sorted(action.rpartition("Microsoft.RecoveryServices/")[2] for action in more) == [
        "Vaults/backupFabrics/protectionContainers/protectedItems/write",
        "Vaults/backupPolicies/delete",
        "Vaults/backupPolicies/write",
        "locations/*",
    ]
    assert set(role_definition("pull")["Actions"]) < set(role_definition("apply")["Actions"])


def test_an_action_finds_its_role() -> None:
    """However it is spelled, the smallest role that has it is named."""
    found = find_permission("microsoft.recoveryservices/VAULTS/backuppolicies/READ")
    assert found is not None
    assert found.role == READER_ROLE
    written = find_permission("Microsoft.RecoveryServices/locations/backupStatus/action")
    assert written is not None
    assert written.role == OPERATOR_ROLE
    assert find_permission("Microsoft.Storage/storageAccounts/read") is None
    assert (
        how_to_get("Microsoft.Storage/storageAccounts/read")
        == "ask for a role with Microsoft.Storage/storageAccounts/read"
    )


def test_nothing_is_asked_for_twice() -> None:
    """Each action stands in the table once."""
    actions = [permission.action.lower() for permission in PERMISSIONS]
    assert len(set(actions)) == len(actions)
