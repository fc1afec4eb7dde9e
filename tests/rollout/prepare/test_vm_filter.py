"""Filters for the VMs that a run covers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.errors import UsageError
from optimizer.rollout.prepare.vm_filter import VmFilter, as_words, is_meant, num_meant, parse_filter
from tests.rollout.prepare.small_runs import READY


@pytest.mark.parametrize("text", ["vault", "vault=", "colour=red", "=x"])
def test_a_filter_that_means_nothing_is_refused(text: str) -> None:
    """The message says what a filter looks like."""
    with pytest.raises(UsageError, match="allowed: vault=NAME"):
        parse_filter(text)


def meant(*texts: str) -> set[str]:
    """Names of the VMs whose write all filters match."""
    only = [parse_filter(text) for text in texts]
    return {write.name for write in READY.writes if write.vms and is_meant(write, READY.inventory, only)}


def test_kinds_narrow_each_other_and_filters_of_one_kind_add_up() -> None:
    """Wildcards and capitals do not matter; a name or an ARM id selects a VM."""
    assert meant("vm=APP-0", "vm=app-1") == {"app-0", "app-1"}
    assert meant("vm=app-*", "vault=rsv-o?e") == {"app-0", "app-1"}
    assert meant("vm=app-*", "vault=other") == set()
    assert meant(f"vm={READY.inventory.items[0].vm_id.upper()}") == {"app-0"}


def test_an_edit_is_meant_only_with_all_its_vms() -> None:
    """The policy of db-0 and db-1 is edited for both."""
    (edit,) = (write for write in READY.writes if write.kind == "edit_policy")
    assert num_meant(edit, READY.inventory, [VmFilter("vm", "db-0")]) == 1
    assert not is_meant(edit, READY.inventory, [VmFilter("vm", "db-0")])
    assert is_meant(edit, READY.inventory, [VmFilter("vm", "db-*")])


def test_a_write_without_vms_is_meant_with_its_vault() -> None:
    """A created policy belongs to no VM."""
    creation = replace(READY.writes[0], vms=())
    assert is_meant(creation, READY.inventory, [VmFilter("vault", "rsv-one")])
    assert not is_meant(creation, READY.inventory, [VmFilter("vault", "rsv-one"), VmFilter("vm", "*")])
    assert is_meant(creation, READY.inventory, [])


def test_filters_are_written_as_on_the_command_line() -> None:
    """Each with its option."""
    assert as_words([VmFilter("vm", "a*"), VmFilter("vault", "v")]) == ["--only", "vm=a*", "--only", "vault=v"]
