"""Routes: the handler of each request, the kind under which it is counted, and the right that it needs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from optimizer.emulator import graph, machines, vault_routes
from optimizer.emulator.calls import Call, Response

_SUBSCRIPTION = r"/subscriptions/(?P<subscription>[^/]+)"
_GROUP = _SUBSCRIPTION + r"/resourceGroups/(?P<group>[^/]+)"
_VAULTS_OF = r"/providers/Microsoft\.RecoveryServices/vaults"
_VAULT = rf"(?P<vault_id>{_GROUP}{_VAULTS_OF}/[^/]+)"
_POLICY = rf"(?P<object_id>{_VAULT}/backupPolicies/[^/]+)"
_ITEM = rf"(?P<object_id>{_VAULT}/backupFabrics/[^/]+/protectionContainers/[^/]+/protectedItems/[^/]+)"
_VM = rf"{_GROUP}/providers/Microsoft\.Compute/virtualMachines/[^/]+"

_VAULTS = "Microsoft.RecoveryServices/Vaults"
_ITEMS = "backupFabrics/protectionContainers/protectedItems"
_VMS = "Microsoft.Compute/virtualMachines"


@dataclass(frozen=True, slots=True)
class Route:
    """Route for one kind of request.

    Parameters
    ----------
    kind
        Kind under which requests are counted.
    method, pattern
        HTTP method, and pattern that must match the whole decoded path in any case.
    action
        Right that the request needs.
    handler
        Function that answers the request.
    """

    kind: str
    method: str
    pattern: re.Pattern[str]
    action: str
    handler: Callable[[Call], Response]


_Row = tuple[str, str, str, str, Callable[[Call], Response]]

_ON_POLICIES: tuple[_Row, ...] = (
    ("policy.get", "GET", "", "backupPolicies/read", vault_routes.get_policy),
    ("policy.put", "PUT", "", "backupPolicies/write", vault_routes.put_policy),
    ("policy.delete", "DELETE", "", "backupPolicies/delete", vault_routes.delete_policy),
    ("operation", "GET", "/operations/OP", "backupPolicies/operations/read", vault_routes.get_operation),
    ("operation", "GET", "/operationresults/OP", "backupPolicies/operationResults/read", vault_routes.get_result),
)
_ON_ITEMS: tuple[_Row, ...] = (
    ("item.get", "GET", "", f"{_ITEMS}/read", vault_routes.get_item),
    ("item.put", "PUT", "", f"{_ITEMS}/write", vault_routes.put_item),
    ("operation", "GET", "/operationsstatus/OP", f"{_ITEMS}/operationsStatus/read", vault_routes.get_operation),
    ("operation", "GET", "/operationresults/OP", f"{_ITEMS}/operationResults/read", vault_routes.get_result),
)
_GUARDS = "backupResourceGuardProxies"
_ON_VAULTS: tuple[_Row, ...] = (
    ("vault.get", "GET", "", "read", vault_routes.get_vault),
    ("policies.list", "GET", "/backuppolicies", "backupPolicies/read", vault_routes.list_policies),
    ("items.list", "GET", "/backupprotecteditems", "backupProtectedItems/read", vault_routes.list_items),
    ("jobs.list", "GET", "/backupjobs", "backupJobs/read", vault_routes.list_jobs),
    ("job.get", "GET", "/backupjobs/(?P<job>[^/]+)", "backupJobs/read", vault_routes.get_job),
    ("vaultconfig", "GET", "/backupconfig/vaultconfig", "backupconfig/read", vault_routes.get_config),
    ("guards.list", "GET", f"/{_GUARDS}", f"{_GUARDS}/read", vault_routes.list_guards),
    ("guard.get", "GET", f"/{_GUARDS}/[^/]+", f"{_GUARDS}/read", vault_routes.get_guard),
)
_COMPUTE, _GRAPH = r"/providers/Microsoft\.Compute", r"/providers/Microsoft\.ResourceGraph/resources"
_LOCKS = r"/providers/Microsoft\.Authorization/locks"
_ELSEWHERE: tuple[_Row, ...] = (
    ("locks", "GET", _VAULT + _LOCKS, "Microsoft.Authorization/locks/read", vault_routes.list_locks),
    ("vaults.list", "GET", _SUBSCRIPTION + _VAULTS_OF, f"{_VAULTS}/read", vault_routes.list_vaults),
    ("vaults.list", "GET", _GROUP + _VAULTS_OF, f"{_VAULTS}/read", vault_routes.list_vaults),
    ("skus", "GET", f"{_SUBSCRIPTION}{_COMPUTE}/skus", "Microsoft.Compute/skus/read", machines.list_sizes),
    ("vm.get", "GET", _VM, f"{_VMS}/read", machines.get_vm),
    ("vm.get", "GET", f"{_VM}/instanceView", f"{_VMS}/instanceView/read", machines.get_instance_view),
    ("graph", "POST", _GRAPH, "Microsoft.ResourceGraph/resources/read", graph.post_query),
)


def route(kind: str, method: str, pattern: str, action: str, handler: Callable[[Call], Response]) -> Route:
    """Build a route; a final ``OP`` in the pattern represents the id of an operation."""
    pattern = pattern.replace("OP", "(?P<operation>[^/]+)") if pattern.endswith("/OP") else pattern
    return Route(kind, method, re.compile(pattern + "/?", re.IGNORECASE), action, handler)


def _below(scope: str, rows: tuple[_Row, ...]) -> tuple[Route, ...]:
    return tuple(
        route(kind, method, scope + path, f"{_VAULTS}/{action}", handler)
        for kind, method, path, action, handler in rows
    )


ROUTES: tuple[Route, ...] = (
    *_below(_POLICY, _ON_POLICIES),
    *_below(_ITEM, _ON_ITEMS),
    *_below(_VAULT, _ON_VAULTS),
    *(route(*row) for row in _ELSEWHERE),
)
"""Routes of ARM; the server adds those of metrics and logs, which have their own state."""
