"""Notes on policies that must be created, and on limits of vaults that a scenario exceeds."""

from __future__ import annotations

from optimizer.model.arm_id import ArmId
from optimizer.model.rules import PolicyLimits, Rules
from optimizer.whatif.policy_room import PolicyRoom
from optimizer.whatif.vault_limits import MAX_VMS_PER_VAULT, created_note, limit_notes
from tests.whatif.small import A, B, three_vms


def room_of(rules: Rules) -> PolicyRoom:
    """Return the policies of the estate of three VMs."""
    estate = three_vms()
    return PolicyRoom(estate.document, estate.inventory(), rules)


def limited(policies: int) -> Rules:
    """Return rules with a limit of policies per vault and one VM per policy."""
    return Rules(policies=PolicyLimits(max_policies_per_vault=policies, max_vms_per_policy=1))


def notes_of(room: PolicyRoom, rules: Rules, arriving: int = 1) -> list[str]:
    """Return the notes on vault A and vault B."""
    return limit_notes(room, [room.inventory.vaults[ArmId(key)] for key in (A, B)], rules, arriving)


def test_created_policies_are_counted() -> None:
    """One, several, or none."""
    assert created_note(0) == []
    assert created_note(1)[0].startswith("1 policy must be created before any plan")
    assert created_note(1)[0].endswith("it is not counted as writes")
    assert created_note(1200)[0].startswith("1,200 policies must be created")
    assert created_note(1200)[0].endswith("they are not counted as writes")


def test_a_vault_with_too_many_policies_is_named() -> None:
    """Only the vault in which policies were created, and only beyond its limit."""
    rules = limited(1)
    room = room_of(rules)
    policy = next(iter(room.inventory.policies.values()))
    assert notes_of(room, rules) == []
    room.join(policy, ArmId(A))
    (note,) = notes_of(room, rules)
    assert note == (
        "Warning: vault-a would have 2 policies, 1 more than its limit of 1. The plan assumes that this is possible, "
        "and creates no further policy there"
    )
    assert notes_of(room, limited(2)) == []


def test_a_vault_that_was_over_its_limit_before_is_no_news() -> None:
    """Without a policy that the scenario creates, the audit reports it, not the scenario."""
    rules = limited(1)
    assert notes_of(room_of(rules), rules) == []


def test_azure_limits_the_vms_of_a_vault() -> None:
    """Vault A has two VMs and vault B one: with 999 more, only A is over the limit of 1,000."""
    room = room_of(Rules())
    (note,) = notes_of(room, Rules(), MAX_VMS_PER_VAULT - 1)
    assert note == (
        "Warning: vault-a would protect up to 1,001 VMs, more than Azure's limit of 1,000; some must go to another "
        "vault"
    )
    assert notes_of(room, Rules(), MAX_VMS_PER_VAULT - 2) == []
