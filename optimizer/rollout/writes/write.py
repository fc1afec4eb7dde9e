"""One write to Azure, for a plan or for its rollback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optimizer.journal import WriteKind
from optimizer.model.arm_id import NO_ID, ArmId
from optimizer.model.caseless import hold
from optimizer.ports import Resource


@dataclass(frozen=True, slots=True)
class Write:
    """One write to Azure, for a plan or its rollback.

    Parameters
    ----------
    number
        Number in the order of the plan (or of the rollback): 1, 2, ... It identifies the write in journal and ledger.
    kind
        Kind of the write.
    vault_id
        Id of the vault.
    object_id
        ARM id of the policy or item that is written.
    name
        Name of the object, for people.
    body
        Properties that are sent; empty for a deletion.
    before
        ARM resource of the object as the plan knows it; None if it must not exist.
    vms
        ARM ids of the VMs whose backup this write changes; empty if a policy is only created or deleted.
    start_before, start_after
        Start before and after as ``HH:MM`` in the policy's zone, if a start changes.
    policy_before, policy_after
        ARM ids of the VMs' policy before and after, if an item is reassigned.
    needs
        Numbers of the writes that must be made before this one.
    """

    number: int
    kind: WriteKind
    vault_id: ArmId
    object_id: ArmId
    name: str
    body: Mapping[str, Any] = field(repr=False, hash=False)
    before: Resource | None = field(repr=False, hash=False)
    vms: tuple[ArmId, ...] = ()
    start_before: str = ""
    start_after: str = ""
    policy_before: ArmId = NO_ID
    policy_after: ArmId = NO_ID
    needs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        hold(self, ArmId, ["vault_id", "object_id", "policy_before", "policy_after"])
        object.__setattr__(self, "vms", tuple(map(ArmId, self.vms)))

    @property
    def counts_as_policy_write(self) -> bool:
        """Whether the write uses the budget of policy writes."""
        return self.kind in {"create_policy", "edit_policy"}

    def summary(self) -> dict[str, Any]:
        """Change that the write makes, as JSON data, without the bodies that are sent."""
        return {
            "number": self.number,
            "kind": self.kind,
            "object_id": self.object_id,
            "vms": list(self.vms),
            "start_before": self.start_before,
            "start_after": self.start_after,
        }


def vaults_of(writes: Iterable[Write]) -> list[ArmId]:
    """Ids of the vaults that the writes touch, each once."""
    return list(dict.fromkeys(write.vault_id for write in writes))
