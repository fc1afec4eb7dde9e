"""The loss of a vault: who takes over, what moves with the VMs, and what is lost."""

from __future__ import annotations

import pytest

from optimizer.errors import ConfigError
from optimizer.estate import Estate
from optimizer.model.arm_id import ArmId
from optimizer.model.rules import PolicyLimits, Rules
from optimizer.whatif.changed_estate import ChangedEstate
from optimizer.whatif.changes import LoseVault
from optimizer.whatif.lose_vault import lose_vault
from tests.plan.estates import sql_policy
from tests.whatif.small import (
    A,
    B,
    C,
    estate_of,
    item,
    policy_id,
    policy_of,
    standard_policy,
    three_vms,
    vault,
    vm_id,
)

ESTATE = three_vms()


def lost(name: str, to: str | None = None, estate: Estate = ESTATE, rules: Rules | None = None) -> ChangedEstate:
    """Return an estate without a vault."""
    return lose_vault(ChangedEstate(estate, rules or Rules()), LoseVault(name, to))


def test_the_vms_join_a_twin_at_their_start() -> None:
    """Vault B has a policy that is equal to theirs, so none is created; nothing of vault A is left."""
    changed = lost("vault-a")
    inventory = changed.inventory()
    assert changed.policies_made == 0
    assert {policy_of(inventory, vm) for vm in ("web-1", "web-2", "db-1")} == {ArmId(policy_id("nightly", B))}
    assert list(inventory.vaults) == [B]
    assert [key.vault for key in inventory.policies] == [B]
    assert inventory.policy_sizes[ArmId(policy_id("nightly", B))] == 3
    assert changed.rehomed == (vm_id("web-1"), vm_id("web-2"))


def test_items_keep_everything_but_their_vault() -> None:
    """Order, container and properties of the items stay."""
    document, before = lost("vault-a").estate.document, ESTATE.document
    assert [resource["name"] for resource in document.protected_items] == [
        resource["name"] for resource in before.protected_items
    ]
    first, was = document.protected_items[0], before.protected_items[0]
    assert first["id"] == B + was["id"].removeprefix(A)
    assert first["properties"] == {**was["properties"], "policyId": policy_id("nightly", B)}
    assert document.protected_items[2] == before.protected_items[2]


def test_the_estate_itself_does_not_change() -> None:
    """The change is made to copies of the resources."""
    before = ESTATE.document.model_dump()
    lost("vault-a")
    assert ESTATE.document.model_dump() == before


def test_policies_are_created_where_no_twin_has_room() -> None:
    """One VM per policy: the two VMs of vault A need two policies in vault B, and a note says so."""
    changed = lost("vault-a", rules=Rules(policies=PolicyLimits(max_vms_per_policy=1, max_policies_per_vault=2)))
    assert changed.policies_made == 2
    assert [note[:49] for note in changed.notes[1:]] == [
        "2 policies must be created before any plan, to pr",
        "Warning: vault-b would have 3 policies, 1 more th",
    ]


def test_a_note_says_what_is_lost() -> None:
    """Recovery points are lost; first backups are assumed."""
    (note,) = lost("vault-a").notes
    assert note == (
        "2 VMs of vault-a are protected by vault-b at today's starts; the recovery points in vault-a are lost, and "
        "the first backups in vault-b are assumed to be done"
    )
    assert lost("vault-b").notes[0].startswith("1 VM of vault-b is protected by vault-a")


def test_items_without_a_schedule_are_lost() -> None:
    """A database and a stopped VM of the lost vault are gone; those of other vaults stay."""
    estate = estate_of(
        [
            standard_policy("nightly", "23:00", vault=A),
            standard_policy("nightly", "23:00", vault=B),
            {**sql_policy("sql"), "id": policy_id("sql", A)},
        ],
        [
            item("web-1", "nightly", vault=A),
            item("old", "nightly", vault=A, protectionState="ProtectionStopped"),
            item("db", "sql", vault=A, protectedItemType="AzureVmWorkloadSQLDatabase"),
            item("other", "nightly", vault=B, protectionState="ProtectionStopped"),
        ],
    )
    changed = lost("vault-a", estate=estate)
    left = [resource["id"].rpartition(";")[2] for resource in changed.estate.document.protected_items]
    assert "web-1" in left
    assert "other" in left
    assert "db" not in left
    assert len(changed.estate.document.policies) == 1
    dropped = 4 - len(left)
    assert dropped >= 1
    expected = f"{dropped} item{'s' if dropped > 1 else ''} of vault-a without a schedule that can be planned"
    assert any(note.startswith(expected) for note in changed.notes)


def test_settings_of_the_lost_vault_are_lost() -> None:
    """Locks and Resource Guard proxies of a vault go with it; those of others stay."""
    settings = [
        {"id": f"{A}/providers/Microsoft.Authorization/locks/keep", "type": "Microsoft.Authorization/locks"},
        {"id": f"{B}/providers/Microsoft.Authorization/locks/keep", "type": "Microsoft.Authorization/locks"},
    ]
    estate = estate_of(
        ESTATE.document.policies, ESTATE.document.protected_items, vms=ESTATE.document.vms, vault_settings=settings
    )
    (left,) = lost("vault-a", estate=estate).estate.document.vault_settings
    assert left["id"].startswith(B)


def test_a_vault_with_the_id_or_the_name_in_any_case() -> None:
    """Vaults are found by id and by name."""
    for name in ("vault-a", "VAULT-A", A, A.upper()):
        assert len(lost(name).rehomed) == 2


def four_vaults() -> Estate:
    """Return an estate: vaults A, B and C in one region and subscription, D in another region."""
    other = A.replace("vault-a", "vault-d")
    return estate_of(
        [
            standard_policy("one", "23:00", vault=A),
            standard_policy("one", "23:00", vault=B),
            standard_policy("two", "22:00", vault=B),
            standard_policy("one", "23:00", vault=C),
        ],
        [
            item("a-1", "one", vault=A),
            item("b-1", "one", vault=B),
            item("b-2", "two", vault=B),
            item("c-1", "one", vault=C),
            item("c-2", "one", vault=C),
        ],
        vaults=[vault(A), vault(B), vault(C), vault(other, "northeurope")],
    )


def test_the_vault_with_the_fewest_policies_takes_over() -> None:
    """C has one policy and B has two; with a named vault, that one takes over."""
    assert policy_of(lost("vault-a", estate=four_vaults()).inventory(), "a-1") == policy_id("one", C)
    assert policy_of(lost("vault-a", "vault-b", estate=four_vaults()).inventory(), "a-1") == policy_id("one", B)


def test_of_vaults_with_as_many_policies_the_one_with_fewer_vms() -> None:
    """Losing B: A and C have one policy each, and A has fewer VMs."""
    assert policy_of(lost("vault-b", estate=four_vaults()).inventory(), "b-1") == policy_id("one", A)


@pytest.mark.parametrize(
    ("name", "to", "message"),
    [
        ("vault-x", None, "there is no vault 'vault-x'; did you mean 'vault-"),
        ("vault-a", "vault-x", "there is no vault 'vault-x'"),
        ("vault-a", "vault-a", "vault 'vault-a' is the lost one; a VM is protected by a vault of its own region"),
        ("vault-a", "vault-d", "vault 'vault-d' is in another region or subscription"),
        ("vault-a", "vault-d", "subscription: vault-b, vault-c"),
        ("vault-d", None, "there is no other vault in region northeurope and subscription 11111111-2222-4333-8444"),
        ("vault-d", "vault-a", "subscription: this estate has no other"),
    ],
)
def test_a_vault_that_cannot_take_over_is_a_mistake(name: str, to: str | None, message: str) -> None:
    """The message says why, and which vaults could."""
    with pytest.raises(ConfigError) as caught:
        lost(name, to, estate=four_vaults())
    assert str(caught.value).startswith(f"what if 'lose-vault={name}")
    assert message in str(caught.value)


def test_vaults_of_one_name_need_an_id() -> None:
    """The message lists the ids."""
    twin = A.replace("rg-backup", "rg-other")
    estate = estate_of(
        [standard_policy("nightly", "23:00", vault=A)],
        [item("web-1", "nightly", vault=A)],
        vaults=[vault(A), vault(twin), vault(B)],
    )
    with pytest.raises(ConfigError, match="2 vaults are called 'vault-a'; give the id of one: /subscriptions/"):
        lost("vault-a", estate=estate)
    assert lost(A, estate=estate).rehomed == (vm_id("web-1"),)


def test_a_vault_of_another_subscription_cannot_take_over() -> None:
    """The same region is not enough."""
    foreign = A.replace("11111111-2222", "99999999-2222").replace("vault-a", "vault-b")
    estate = estate_of(
        [standard_policy("nightly", "23:00", vault=A)],
        [item("web-1", "nightly", vault=A)],
        vaults=[vault(A), vault(foreign)],
    )
    with pytest.raises(ConfigError, match="there is no other vault"):
        lost("vault-a", estate=estate)


def test_an_empty_vault_can_be_lost() -> None:
    """Then nothing moves."""
    changed = lost("vault-b", estate=estate_of(ESTATE.document.policies[:1], ESTATE.document.protected_items[:2]))
    assert changed.rehomed == ()
    assert changed.notes[0].startswith("0 VMs of vault-b are protected by vault-a")
