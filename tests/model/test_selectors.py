"""Selectors: which VMs a rule is for, and how sets of VMs are written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from optimizer.model.inventory import Vault, Vm
from optimizer.model.rules import Rule
from optimizer.model.selectors import Criteria, Selector, Separate, Sets, fits, selector_of, set_of
from optimizer.model.timegrid import Frequency

VM = Vm(
    "/vms/sql-01", "SQL-01", service="Shop", subscription="s-1", resource_group="rg-shop", os="Windows",
    tags={"Tier": "db", "app": "shop", "env": "[prod] 1"},
)  # fmt: skip
VAULT = Vault("/vaults/rsv-1", "rsv-1")


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"name": "sql-*"},
        {"name": "SQL-0?"},
        {"tag": {"env": "[Prod]*"}},
        {"tag": {"tier": "DB"}},
        {"tag": {"tier": "d*", "APP": "shop"}},
        {"service": "shop", "vault": "RSV-1", "subscription": "S-1", "resource_group": "rg-*", "os": "windows"},
    ],
)
def test_a_selector_takes_the_vm(where: dict[str, Any]) -> None:
    """Criteria are compared without regard to case, with wildcards, and none at all takes every VM."""
    assert Selector.model_validate(where).matches(VM, VAULT)


@pytest.mark.parametrize(
    "where",
    [
        {"name": "sql"},
        {"name": "sql-[0]1"},
        {"tag": {"tier": "web"}},
        {"tag": {"owner": "*"}},
        {"tag": {"tier": "db", "app": "crm"}},
        {"name": "sql-*", "os": "Linux"},
        {"service": "shop", "vault": "rsv-2"},
        {"subscription": "s-2"},
        {"resource_group": "shop"},
    ],
)
def test_a_selector_leaves_the_vm(where: dict[str, Any]) -> None:
    """One criterion that does not hold is enough; a tag that the VM lacks does not match even ``*``."""
    assert not Selector.model_validate(where).matches(VM, VAULT)


def test_a_set_is_named_by_a_pattern_or_by_criteria() -> None:
    """Text is a pattern of VM names; a VM is in the first set that it fits, or in none."""
    rule = Rule(name="n", order=("web-*", Selector(tag={"tier": "db"}), "*-01"))
    assert set_of(rule.order_sets, VM, VAULT, None) == 1
    assert set_of(rule.order_sets, replace(VM, tags={}), VAULT, None) == 2
    assert set_of(rule.order_sets, replace(VM, tags={}, name="x"), VAULT, None) is None


@pytest.mark.parametrize(("frequency", "matches"), [(Frequency.DAILY, True), (Frequency.HOURLY, False), (None, False)])
def test_a_frequency_leaves_out_other_policies_and_vms_without_backups(
    frequency: Frequency | None, matches: bool
) -> None:
    """One name or a list of names; without the key, every VM matches."""
    assert Selector.model_validate({"frequency": ["Daily", "Weekly"]}).matches(VM, VAULT, frequency) is matches
    assert Selector.model_validate({"frequency": "Daily"}).matches(VM, VAULT, frequency) is matches
    assert Selector().matches(VM, VAULT, frequency)


def test_a_pattern_is_a_set_of_vm_names() -> None:
    """As text it means the same as a table with ``name``, without regard to case."""
    assert selector_of("SQL-*") == Selector(name="SQL-*")
    assert selector_of(Selector(vault="v")) == Selector(vault="v")
    assert fits("sql-*", VM, VAULT, None)
    assert not fits("web-*", VM, VAULT, None)
    assert fits(Selector(vault="RSV-?"), VM, VAULT, None)


@pytest.mark.parametrize(
    ("kind", "written", "message"),
    [
        (Criteria, "sql-*", 'not a table of criteria; allowed: a table, as { name = "sql-*" }'),
        (Sets, "sql-*", "is not a list; allowed: a list of sets of VMs"),
        (Sets, [["a", "b"]], "several patterns do not make one set"),
        (Sets, [3], "3 is not a set of VMs; allowed: a pattern of names in quotes"),
        (Separate, "yes", "allowed: true (no two of the VMs of 'where' meet) or a list of at least two sets"),
        (Criteria, {"name": ["a", "b"]}, "allowed: one pattern in quotes"),
        (Criteria, {"frequency": 7}, 'is not a frequency; allowed: "Daily", "Weekly" or "Hourly"'),
        (Criteria, {"os": ["Windows", "Linux"]}, 'allowed: "Windows" or "Linux"; without \'os\', a rule is for both'),
    ],
)
def test_what_is_written_wrong_is_explained(kind: Any, written: object, message: str) -> None:
    """The message states what is allowed, in the notation of the file."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(written)
    assert message in str(caught.value)


def test_sets_may_mix_patterns_and_criteria() -> None:
    """Each element of a list is one set; ``separate`` takes a list or true."""
    assert TypeAdapter(Sets).validate_python(["a", {"tag": {"tier": "db"}}]) == ("a", Selector(tag={"tier": "db"}))
    assert TypeAdapter(Separate).validate_python(True) is True
    assert TypeAdapter(Separate).validate_python(["a", "b"]) == ("a", "b")


def test_the_operating_system_is_written_in_any_case() -> None:
    """It is stored as Azure writes it."""
    assert Selector.model_validate({"os": "windows"}).os == "Windows"
    assert Selector.model_validate({"os": "LINUX"}).model_dump() == {"os": "Linux"}
