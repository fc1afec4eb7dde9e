"""What to pull: names are checked before they become part of an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import UsageError
from optimizer.intake.pull.pull_source import PullScope, check_workspaces

GUID = "11111111-2222-3333-4444-555555555555"
VAULT = f"/subscriptions/{GUID}/resourceGroups/rg-1/providers/Microsoft.RecoveryServices/vaults/one"


def test_something_must_be_named() -> None:
    """A scope without any name says how to name something."""
    with pytest.raises(UsageError, match="give at least one of --subscription ID, --management-group NAME, --vault"):
        PullScope()


@pytest.mark.parametrize(
    ("names", "what"),
    [
        ({"subscriptions": ("prod",)}, "--subscription 'prod' is not the id of a subscription"),
        ({"subscriptions": (GUID + "0",)}, "is not the id of a subscription"),
        ({"management_groups": ("a b",)}, "--management-group 'a b' is not the name of a management group"),
        ({"management_groups": ("x" * 91,)}, "is not the name of a management group"),
        ({"management_groups": ("a/../b",)}, "is not the name of a management group"),
        ({"vaults": ("one",)}, "--vault 'one' is not the ARM id of a Recovery Services vault"),
        ({"vaults": (VAULT + "/backupPolicies/p",)}, "is not the ARM id of a Recovery Services vault"),
        (
            {"vaults": (VAULT.replace("RecoveryServices", "Compute"),)},
            "is not the ARM id of a Recovery Services vault",
        ),
    ],
)
def test_names_of_the_wrong_form(names: dict[str, tuple[str, ...]], what: str) -> None:
    """Each wrong name is refused with its option and what is expected."""
    with pytest.raises(UsageError, match="copy it from the portal") as refused:
        PullScope(**names)
    assert what in str(refused.value)


@given(st.text(max_size=40))
def test_no_other_text_is_a_workspace(text: str) -> None:
    """Only a GUID is the id of a workspace; its name is not."""
    with pytest.raises(UsageError, match="--workspace"):
        check_workspaces([GUID, text])
    check_workspaces([GUID, GUID.upper()])


def test_the_notation_of_a_scope_does_not_matter() -> None:
    """Order, case and repetition do not make another scope."""
    other = "99999999-2222-3333-4444-555555555555"
    one = PullScope((GUID, other), ("Group",), (VAULT,))
    two = PullScope((other, GUID, other), ("group",), (VAULT.upper(), VAULT))
    assert one.as_lists() == two.as_lists()
    assert one.as_lists()["subscriptions"] == [GUID, other]
