"""Checks of a VM's protected item and policy, compared with the plan."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.arm import policy_of, read_schedule
from optimizer.documents import Finding
from optimizer.model.arm_id import ArmId
from optimizer.model.caseless import Caseless
from optimizer.model.raw import MALFORMED, mapping, properties_of, word
from optimizer.model.timegrid import format_start
from optimizer.ports import Resource
from optimizer.rollout.watch.watched import Watched


def check_item(vm: Watched, item: Resource | None) -> list[Finding]:
    """Check that the item is under the plan's policy, consistent and protected.

    Parameters
    ----------
    item
        The item, with its extended info; None if the vault has no such item.
    """
    if item is None:
        return [Finding.of("not_protected", "the VM is no longer protected in this vault", "find out who removed it")]
    properties = properties_of(item)
    findings = []
    policy = policy_of(properties)
    if not policy:
        findings.append(
            Finding.of("not_protected", "the VM has no policy: its protection is stopped", "find out who stopped it")
        )
    elif policy != vm.policy_id:
        advice = "if that is intended, run 'pull' and 'plan' again; otherwise assign it to the plan's policy again"
        findings.append(Finding.of("other_policy", f"it is under policy {policy.name}, not under {vm.policy}", advice))
    if mapping(properties.get("extendedInfo")).get("policyInconsistent"):
        advice = "open its backup settings in the portal and save them, or take the change back with 'rollback'"
        findings.append(Finding.of("inconsistent", "Azure reports that it does not follow its policy", advice))
    state = word(properties.get("protectionState"))
    deleted = properties.get("isScheduledForDeferredDelete")
    if deleted or state not in {Caseless(), Caseless("Protected")}:
        seen = "it is soft-deleted" if deleted else f"its protection is in state {state}"
        findings.append(
            Finding.of("state", seen, "no backup is made until it is protected again: see it in the portal")
        )
    return findings


def check_policy(vm: Watched, policies: Mapping[ArmId, Resource]) -> list[Finding]:
    """Check that the policy exists and is set to the plan's time.

    Parameters
    ----------
    policies
        Policies of the vault, by id.
    """
    policy = policies.get(vm.policy_id)
    if policy is None:
        advice = "somebody deleted it: run 'pull' and 'plan' again"
        return [Finding.of("policy_time", f"policy {vm.policy} is not in the vault", advice)]
    try:
        option = read_schedule(properties_of(policy)).start
    except MALFORMED:
        advice = "somebody changed it: run 'pull' and 'plan' again"
        return [Finding.of("policy_time", f"policy {vm.policy} has no schedule that can be read", advice)]
    if option == vm.option:
        return []
    seen = f"policy {vm.policy} is set to {format_start(option)}, the plan says {format_start(vm.option)}"
    return [
        Finding.of(
            "policy_time", seen, "somebody edited it: run 'pull' and 'plan' again, or 'rollback'", vm.show_policy()
        )
    ]
