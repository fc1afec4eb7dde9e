"""Routes: which handler a request reaches, and which right it needs."""

from __future__ import annotations

import pytest

from optimizer.emulator import machines, vault_routes
from optimizer.emulator.routes import ROUTES, Route
from tests.emulator.cloud import SUBSCRIPTION, VAULT, item_id
from tests.plan.estates import policy_id, vm_id

RIGHTS = "Microsoft.RecoveryServices/Vaults/"


def routes_of(method: str, path: str) -> list[Route]:
    """Return the routes that match a request."""
    return [route for route in ROUTES if route.method == method and route.pattern.fullmatch(path)]


@pytest.mark.parametrize(
    ("method", "path", "handler", "action"),
    [
        ("GET", policy_id("p"), vault_routes.get_policy, RIGHTS + "backupPolicies/read"),
        ("PUT", policy_id("p").upper() + "/", vault_routes.put_policy, RIGHTS + "backupPolicies/write"),
        ("DELETE", policy_id("p"), vault_routes.delete_policy, RIGHTS + "backupPolicies/delete"),
        ("GET", policy_id("p") + "/operations/1", vault_routes.get_operation, "backupPolicies/operations/read"),
        ("GET", item_id("vm-1"), vault_routes.get_item, "protectedItems/read"),
        ("GET", item_id("vm-1") + "/operationResults/1", vault_routes.get_result, "operationResults/read"),
        ("GET", VAULT + "/backupJobs", vault_routes.list_jobs, RIGHTS + "backupJobs/read"),
        ("GET", VAULT + "/backupJobs/1", vault_routes.get_job, RIGHTS + "backupJobs/read"),
        ("GET", VAULT, vault_routes.get_vault, RIGHTS + "read"),
        ("GET", vm_id("vm-1"), machines.get_vm, "Microsoft.Compute/virtualMachines/read"),
        ("GET", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/skus", machines.list_sizes, "skus/read"),
    ],
)
def test_a_request_reaches_one_handler(method: str, path: str, handler: object, action: str) -> None:
    """Each request has one route, whatever its case, and one right."""
    (route,) = routes_of(method, path)
    assert route.handler is handler
    assert route.action.endswith(action)


def test_the_parts_of_a_path_have_names() -> None:
    """The vault, the object and the operation are found as they were written."""
    (route,) = routes_of("GET", policy_id("P-1") + "/operations/77")
    match = route.pattern.fullmatch(policy_id("P-1") + "/operations/77")
    assert match is not None
    assert (match["vault_id"], match["object_id"], match["operation"]) == (VAULT, policy_id("P-1"), "77")


@pytest.mark.parametrize("path", [VAULT + "/backupPolicies/p/more", "/x" + VAULT, VAULT + "/unknown/x"])
def test_longer_paths_have_no_route(path: str) -> None:
    """A pattern must match the whole path."""
    assert routes_of("GET", path) == []
