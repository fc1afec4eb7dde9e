"""Fingerprint of a plan's content, and a check that its changes are among those that its estate allows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from optimizer.arm import is_vm_policy, policy_of, source_vm, twin_key, with_start
from optimizer.documents.plan_document import (
    FIELDS_NOT_SENT,
    Change,
    CreatePolicy,
    EditPolicy,
    PlanDocument,
    ReassignItem,
)
from optimizer.errors import DataError, PlanFormatError
from optimizer.estate import EstateDocument
from optimizer.model.arm_id import ArmId, ItemId, PolicyId, VaultId, VmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import canonical_json, id_of, properties_of
from optimizer.model.timegrid import parse_start
from optimizer.ports import Resource

AGAIN = "make the plan again; plans are not edited by hand"


def fingerprint_of(plan: PlanDocument) -> str:
    """``sha256:`` and the digest of the plan, without the fingerprint itself and the time and speed of planning."""
    return fingerprint_of_content(plan.model_dump(mode="json"))


def fingerprint_of_content(content: Mapping[str, Any]) -> str:
    """Digest of the content of a ``plan.json`` of any version."""
    known = {key: value for key, value in content.items() if key not in ("created_at", "fingerprint")}
    if isinstance(known.get("summary"), Mapping):
        known["summary"] = {key: value for key, value in known["summary"].items() if key != "seconds"}
    return "sha256:" + hashlib.sha256(canonical_json(known)).hexdigest()


def with_fingerprint(plan: PlanDocument) -> PlanDocument:
    """Copy of the plan with the fingerprint of its content."""
    return plan.model_copy(update={"fingerprint": fingerprint_of(plan)})


def check_changes(plan: PlanDocument, document: EstateDocument) -> None:
    """Refuse changes that do anything other than move starts within the plan's estate.

    A policy is created or edited with exactly the properties of its twin or of itself, except for the time. An item
    moves only to a twin of its policy in its vault. Every id must be valid, and nothing may be changed twice.

    Parameters
    ----------
    plan
        Plan to check.
    document
        Estate of the plan.

    Raises
    ------
    PlanFormatError
        A change does something else; the message names it. Plans of imported estates are refused, because their VMs
        have no ARM ids.
    """
    if document.source == "import":
        raise PlanFormatError(
            "the plan was made for an imported estate, which has no ids of Azure, so it cannot be carried out by this "
            "program; 'pull' the estate from Azure and make the plan again"
        )
    check = _Check(document, {c.policy_id: c for c in plan.changes if isinstance(c, CreatePolicy)})
    changed: set[ArmId] = set()
    for number, change in enumerate(plan.changes, start=1):
        object_id = change.item_id if isinstance(change, ReassignItem) else change.policy_id
        try:
            _require(object_id not in changed, f"{object_id} is changed twice")
            changed.add(object_id)
            check.change(change)
        except (DataError, ValueError) as exc:
            raise PlanFormatError(f"change {number} of the plan ({change.kind}): {exc}; {AGAIN}") from exc


class _Check:
    """Check of single changes.

    Parameters
    ----------
    document
        Estate of the plan.
    created
        Policies that the plan creates, by id.
    """

    def __init__(self, document: EstateDocument, created: Mapping[ArmId, CreatePolicy]) -> None:
        self._policies = {id_of(resource): resource for resource in document.policies}
        self._items = {id_of(resource): resource for resource in document.protected_items}
        self._created = created
        self._as_of = document.as_of

    def change(self, change: Change) -> None:
        """Check one change.

        Raises
        ------
        ValueError, DataError
            The change is not allowed; the message states what is wrong.
        """
        vault = VaultId.parse(change.vault_id)
        if isinstance(change, ReassignItem):
            self._reassignment(change, vault)
            return
        policy = PolicyId.parse(change.policy_id)
        _require(policy.vault.text == vault.text, f"{policy} is not of vault {vault}")
        _require(policy.name == change.policy, f"{policy} is not called {change.policy!r}")
        if isinstance(change, CreatePolicy):
            _require(policy.text not in self._policies, f"{policy} is to be created, but it is in the estate")
            twin = PolicyId.parse(f"{vault}/backupPolicies/{change.twin_of}")
            self._body(change, twin.text)
        else:
            self._body(change, policy.text)

    def _body(self, change: CreatePolicy | EditPolicy, origin: ArmId) -> None:
        resource = self._policy(origin)
        own, start = properties_of(resource), parse_start(change.start)
        # Plans of older versions kept dates that are not yet past.
        for as_of in (None, self._as_of):
            allowed = with_start(own, start, as_of)
            for name in FIELDS_NOT_SENT:
                allowed.pop(name, None)
            if canonical_json(allowed) == canonical_json(change.properties):
                break
        else:
            fields = sorted(
                name
                for name in allowed.keys() | change.properties.keys()
                if canonical_json(allowed.get(name)) != canonical_json(change.properties.get(name))
            )
            raise ValueError(
                f"what is written of policy {change.policy!r} differs from policy {resource.get('name')!r} of the "
                f"estate in more than the start {change.start}: {', '.join(fields) or 'absent fields'}"
            )

    def _reassignment(self, change: ReassignItem, vault: VaultId) -> None:
        item, target, today = ItemId.parse(change.item_id), PolicyId.parse(change.policy_id), change.policy_today_id
        vm = VmId.parse(change.vm)
        for parent in (item.vault, target.vault):
            _require(parent.text == vault.text, f"{change.item_id} would leave vault {vault}")
        resource = self._items.get(item.text)
        if resource is None:
            raise ValueError(f"{item} is not in the estate")
        properties = properties_of(resource)
        source = source_vm(properties)
        _require(source == vm.text, f"{item} protects {source or 'no VM'}, not {vm}")
        held = policy_of(properties)
        _require(held == PolicyId.parse(today).text, f"{item} has policy {held or 'none'}, not {today}")
        for policy, name in ((target, change.policy), (PolicyId.parse(today), change.policy_today)):
            _require(Caseless(policy.name) == name, f"{policy} is not called {name!r}")
        own, new = self._policy(today), self._target(target)
        _require(
            twin_key(properties_of(own)) == twin_key(new),
            f"policy {change.policy!r} differs from {change.policy_today!r} in more than the time",
        )

    def _target(self, target: PolicyId) -> Mapping[str, Any]:
        created = self._created.get(target.text)
        return created.properties if created is not None else self._policy(target.text).get("properties") or {}

    def _policy(self, policy_id: ArmId) -> Resource:
        resource = self._policies.get(policy_id)
        if resource is None:
            raise ValueError(f"policy {policy_id} is not in the estate")
        _require(is_vm_policy(resource), f"policy {policy_id} is not a VM backup policy")
        return resource


def _require(holds: bool, fault: str) -> None:
    if not holds:
        raise ValueError(fault)
