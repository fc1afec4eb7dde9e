"""Keys of ids, and the vaults and scopes that contain objects."""

from __future__ import annotations

import pytest

from optimizer.emulator.ids import container_of, key, lies_in, segment, vault_key
from tests.emulator.cloud import VAULT, item_id
from tests.plan.estates import item, policy_id


def test_spellings_of_one_id_have_one_key() -> None:
    """Case and a final slash do not matter."""
    assert key(VAULT.upper() + "/") == key(VAULT) == VAULT.lower()


@pytest.mark.parametrize(
    ("arm_id", "vault"),
    [
        (VAULT, VAULT),
        (policy_id("p"), VAULT),
        (item_id("vm-1").upper(), VAULT),
        (VAULT.rpartition("/")[0], ""),
        ("", ""),
    ],
)
def test_an_object_lies_in_its_vault(arm_id: str, vault: str) -> None:
    """A vault contains itself, its policies and its items; other ids have no vault."""
    assert vault_key(arm_id) == vault.lower()


def test_a_scope_contains_whole_segments_only() -> None:
    """A scope contains itself and what is below it, but not an object whose name begins like its own."""
    assert lies_in(VAULT.upper(), VAULT) and lies_in(policy_id("p"), VAULT + "/")
    assert not lies_in(VAULT + "2", VAULT) and not lies_in(VAULT, policy_id("p"))


def test_a_segment_is_found_in_any_case() -> None:
    """The value is returned as written; a missing segment is empty."""
    assert segment("/Subscriptions/ABC/x", "subscriptions") == "ABC"
    assert segment("/subscriptions", "subscriptions") == "" == segment("", "x")


def test_a_container_loses_one_prefix() -> None:
    """Jobs state the container without ``IaasVMContainer;``, unless the item states another name."""
    plain = item("vm-1", "p")
    plain["properties"].pop("containerName", None)
    assert container_of(plain) == "iaasvmcontainerv2;rg-app;vm-1"
    assert container_of(item("vm-1", "p", containerName="other")) == "other"
