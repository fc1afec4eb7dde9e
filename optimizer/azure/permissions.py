"""Azure permissions that the program needs, their purposes, and the roles that contain them.

The roles themselves are in ``data/roles``; a test keeps these files equal to this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from optimizer.model.caseless import Caseless

READER_ROLE = "Backup Schedule Optimizer Reader"
"""Role of users who run ``pull``."""

OPERATOR_ROLE = "Backup Schedule Optimizer Operator"
"""Role of users who run ``apply`` and ``rollback``; it includes the reader's rights."""

GUARD_ROLE = "Backup MUA Operator"
"""Built-in role on the Resource Guard, for vaults that have one."""

Command = Literal["pull", "apply"]

_VAULT = "Microsoft.RecoveryServices/Vaults"
_ITEM = f"{_VAULT}/backupFabrics/protectionContainers/protectedItems"
_LOGS = "Microsoft.OperationalInsights/workspaces/query"


@dataclass(frozen=True, slots=True)
class Permission:
    """An action of Azure's access control that the program performs.

    Parameters
    ----------
    action
        Action as in a role definition; may contain ``*``.
    purpose
        Purpose of the action, to follow "to".
    command
        First command that needs the action.
    """

    action: str
    purpose: str
    command: Command = "pull"

    @property
    def role(self) -> str:
        """The smaller of the two roles that contain the action."""
        return READER_ROLE if self.command == "pull" else OPERATOR_ROLE


PERMISSIONS = (
    Permission("Microsoft.Resources/subscriptions/read", "find the subscriptions"),
    Permission("Microsoft.Resources/subscriptions/resourceGroups/read", "find the resource groups"),
    Permission("Microsoft.ResourceGraph/resources/read", "find vaults and VMs"),
    Permission(f"{_VAULT}/read", "read vaults and their immutability"),
    Permission(f"{_VAULT}/backupPolicies/read", "read backup policies"),
    Permission(f"{_VAULT}/backupProtectedItems/read", "list protected items"),
    Permission(f"{_ITEM}/read", "read a protected item"),
    Permission(f"{_VAULT}/backupJobs/read", "read backup jobs"),
    Permission(f"{_VAULT}/backupconfig/read", "read soft delete"),
    Permission(f"{_VAULT}/backupResourceGuardProxies/read", "check whether a Resource Guard is in force"),
    Permission("Microsoft.Authorization/locks/read", "check whether a lock is in force"),
    Permission("Microsoft.Compute/virtualMachines/read", "read VMs, their tags and sizes"),
    Permission("Microsoft.Compute/virtualMachines/instanceView/read", "read whether a VM is on"),
    Permission("Microsoft.Compute/availabilitySets/read", "read availability sets"),
    Permission("Microsoft.Compute/virtualMachineScaleSets/read", "read scale sets"),
    Permission("Microsoft.Compute/skus/read", "read how much memory a size has"),
    Permission("Microsoft.Insights/metrics/read", "read processor and memory load (on the whole subscription)"),
    Permission("Microsoft.Insights/metricDefinitions/read", "read which metrics there are"),
    Permission(f"{_LOGS}/read", "read a workspace, where one is given"),
    Permission(f"{_LOGS}/InsightsMetrics/read", "read load from a workspace"),
    Permission(f"{_LOGS}/Perf/read", "read load from a workspace"),
    Permission(f"{_LOGS}/AddonAzureBackupJobs/read", "read jobs from a workspace"),
    Permission(f"{_LOGS}/CoreAzureBackup/read", "read jobs from a workspace"),
    Permission(f"{_VAULT}/backupPolicies/write", "create a backup policy or edit its time", "apply"),
    Permission(f"{_VAULT}/backupPolicies/delete", "delete an empty policy that the plan created", "apply"),
    Permission(f"{_VAULT}/backupPolicies/operations/read", "check whether a write of a policy has ended", "apply"),
    Permission(f"{_VAULT}/backupPolicies/operationResults/read", "check how a write of a policy has ended", "apply"),
    Permission(f"{_ITEM}/write", "assign a VM to another policy", "apply"),
    Permission(f"{_ITEM}/operationsStatus/read", "check whether a reassignment has ended", "apply"),
    Permission(f"{_ITEM}/operationResults/read", "check how a reassignment has ended", "apply"),
    Permission("Microsoft.RecoveryServices/locations/*", "follow operations of the service", "apply"),
)
"""All rights that the program needs, those for reading first (docs/azure.md, "Signing in, and roles")."""


def find_permission(action: str) -> Permission | None:
    """Permission that covers an action, in any spelling; None if the program does not need it."""
    for permission in PERMISSIONS:
        if Caseless(action).is_like(permission.action):
            return permission
    return None


def how_to_get(action: str) -> str:
    """Advice for a user who lacks the right to an action."""
    if Caseless(action).key.startswith("microsoft.dataprotection/resourceguards/"):
        return f"the vault is guarded: ask for the role {GUARD_ROLE!r} on the Resource Guard"
    permission = find_permission(action)
    if permission is None:
        return f"ask for a role with {action}"
    return f"it is needed to {permission.purpose} and is in the role {permission.role!r} (data/roles)"


def role_definition(command: Command) -> dict[str, Any]:
    """Role definition for a command, in the format of ``az role definition create``."""
    reader = command == "pull"
    actions = [p.action for p in PERMISSIONS if p.command == "pull" or not reader]
    description = (
        "Reads what 'backup-optimizer pull' and 'watch' need: vaults, policies, protected items, jobs, VMs, metrics. "
        "Writes nothing."
        if reader
        else "What 'backup-optimizer apply' and 'rollback' need: reads like the Reader, creates, edits and deletes "
        "backup policies, and assigns protected VMs to them. Cannot delete backups or read their content."
    )
    return {
        "Name": READER_ROLE if reader else OPERATOR_ROLE,
        "IsCustom": True,
        "Description": description,
        "Actions": actions,
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": ["/subscriptions/00000000-0000-0000-0000-000000000000"],
    }
