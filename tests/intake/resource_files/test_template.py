"""Expressions in exported templates: what is evaluated, and what only Azure could evaluate."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.intake.resource_files.template import Template, TemplateError
from optimizer.model.caseless import Caseless

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg"
VAULT = f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/one"
CONTENT = {
    "parameters": {"vault": {"defaultValue": "one"}, "empty": {}, "loop": {"defaultValue": "[parameters('loop')]"}},
    "variables": {"policy": "[concat(parameters('vault'), '/daily')]", "tags": {"env": "prod"}},
}


def template(group: str = GROUP, **content: Any) -> Template:
    return Template({**CONTENT, **content}, group)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("plain", "plain"),
        ("[[literal]", "[literal]"),
        ("[unclosed", "[unclosed"),
        ("['it''s']", "it's"),
        ("[-5]", -5),
        ("[parameters('vault')]", "one"),
        ("[PARAMETERS('VAULT')]", "one"),
        ("[variables('policy')]", "one/daily"),
        ("[variables('tags').env]", "prod"),
        ("[concat('a', 1, 'b')]", "a1b"),
        ("[format('{1}-{0}', 'a', 'b')]", "b-a"),
        ("[toLower('ABC')]", "abc"),
        ("[ toUpper( concat('a', 'b') ) ]", "AB"),
        ("[resourceGroup().name]", "rg"),
        ("[resourceGroup().id]", GROUP),
        ("[subscription().subscriptionId]", "11111111-1111-1111-1111-111111111111"),
        ("[resourceId('Microsoft.RecoveryServices/vaults', 'one')]", VAULT),
        (
            "[resourceId('Microsoft.RecoveryServices/vaults/backupPolicies', 'one/daily')]",
            f"{VAULT}/backupPolicies/daily",
        ),
        (
            "[resourceId('other', 'Microsoft.RecoveryServices/vaults', 'one')]",
            VAULT.replace("/rg/", "/other/"),
        ),
        (
            "[resourceId('s', 'other', 'Microsoft.RecoveryServices/vaults', 'one')]",
            "/subscriptions/s/resourceGroups/other/providers/Microsoft.RecoveryServices/vaults/one",
        ),
    ],
)
def test_expressions(expression: str, expected: object) -> None:
    """An expression in brackets is replaced by its result; other text stays as it is."""
    assert template().evaluate(expression) == expected


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("[parameters('none')]", "parameter 'none' has no value in the template"),
        ("[parameters('empty')]", "parameter 'empty' has no value"),
        ("[variables('none')]", "variable 'none' has no value"),
        ("[parameters('loop')]", "its expressions refer to each other without end"),
        ("[reference('x')]", "uses reference() with 1 arguments, which only Azure can evaluate"),
        ("[parameters()]", "uses parameters() with 0 arguments"),
        ("[variables('tags').none]", "asks for 'none', which is not known here"),
        ("[parameters('vault').id]", "asks for 'id'"),
        ("[format('{3}', 'a')]", "format() lacks argument {3}"),
        ("[resourceId('a', 'b')]", "does not name a resource"),
        ("[resourceId('A/b', 'c', 'd')]", "does not name a resource"),
        ("[resourceId('s', 'g', 'x', 'A/b', 'c')]", "does not name a resource"),
        ("[concat('a' 'b')]", "cannot be read"),
        ("[concat('a'", "cannot be read"),
        ("[concat('a',)]", "cannot be read"),
        ("['a' 'b']", "cannot be read"),
        ("[!]", "cannot be read"),
        ("[name]", "cannot be read"),
        ("[" + "toLower(" * 40 + "'a'" + ")" * 40 + "]", "cannot be read"),
    ],
)
def test_expressions_that_cannot_be_evaluated(expression: str, reason: str) -> None:
    """What the template does not contain, and what is no expression, is refused with the reason."""
    value = expression if expression.endswith("]") else expression + "]"
    with pytest.raises(TemplateError) as refused:
        template().evaluate(value)
    assert reason in str(refused.value)


def test_values_are_evaluated_at_any_depth() -> None:
    """Objects and lists are copied with every expression replaced, and everything else kept."""
    value = {"a": ["[parameters('vault')]", 1, None], "b": {"c": "[concat('x')]"}}
    assert template().evaluate(value) == {"a": ["one", 1, None], "b": {"c": "x"}}


@given(st.recursive(st.none() | st.integers() | st.text("abc "), lambda inner: st.lists(inner, max_size=3)))
def test_values_without_expressions_stay(value: object) -> None:
    """A value without brackets is not changed."""
    assert template().evaluate(value) == value


def test_resources_inside_resources() -> None:
    """A nested resource gets type and name of the outer one, and both have ids below the group."""
    inner = {"type": "backupPolicies", "name": "daily", "properties": {"timeZone": "[parameters('vault')]"}}
    outer = {
        "type": "Microsoft.RecoveryServices/vaults", "name": "[parameters('vault')]", "location": "weu",
        "resources": [inner],
    }  # fmt: skip
    assert list(template(resources=[outer]).resources()) == [
        ("resource 1", {"id": VAULT, "name": "one", "type": "Microsoft.RecoveryServices/vaults", "location": "weu"}),
        (
            "resource 1, resource 1",
            {
                "id": f"{VAULT}/backupPolicies/daily",
                "name": "daily",
                "type": "Microsoft.RecoveryServices/vaults/backupPolicies",
                "properties": {"timeZone": "one"},
            },
        ),
    ]


def test_resources_by_symbolic_name() -> None:
    """Newer templates list resources in an object."""
    vault = {"type": "Microsoft.RecoveryServices/vaults", "name": "one"}
    ((_, found),) = template(resources={"vault": vault}).resources()
    assert isinstance(found, dict) and found["id"] == VAULT


@pytest.mark.parametrize(
    ("entry", "place", "reason"),
    [
        (5, "resource 1", "it is not an object"),
        ({"type": "A/b", "name": "[oops]"}, "resource 1 (A/b '[oops]')", "cannot be read"),
        ({"type": "A/b", "name": "x/y"}, "resource 1 (A/b 'x/y')", "its name 'x/y' does not fit its type A/b"),
        ({"type": "A/b/c", "name": "x/y", "properties": "[oops]"}, "resource 1 (A/b/c 'x/y')", "cannot be read"),
    ],
)
def test_resources_that_cannot_be_read(entry: object, place: str, reason: str) -> None:
    """A resource that cannot be read is replaced by its place and the reason, and costs no other."""
    good = {"type": "Microsoft.RecoveryServices/vaults", "name": "one"}
    first, second = template(resources=[entry, good]).resources()
    assert first[0] == place and isinstance(first[1], str) and reason in first[1]
    assert isinstance(second[1], dict) and second[1]["id"] == VAULT


def test_vaults_and_vms_are_useful_in_part() -> None:
    """A VM keeps the properties that can be evaluated; a policy with such a property is refused as a whole."""
    properties = {"size": "[parameters('vault')]", "secret": "[reference('x')]", "deep": {"bad": "[oops]", "good": 1}}
    vm = {"type": "Microsoft.Compute/virtualMachines", "name": "a", "properties": properties}
    ((_, found),) = template(resources=[vm]).resources()
    assert isinstance(found, dict) and found["properties"] == {"size": "one", "deep": {"good": 1}}


def test_the_group_of_a_vault_that_another_file_lists() -> None:
    """Without a resource group, a vault and its contents get the group of the vault of that name."""
    resources = [{"type": "Microsoft.RecoveryServices/vaults/backupPolicies", "name": "one/daily"}]
    known = Template({"resources": resources}, "", {Caseless("ONE"): VAULT})
    ((_, found),) = known.resources()
    assert isinstance(found, dict) and found["id"] == f"{VAULT}/backupPolicies/daily"
    for ids in ({Caseless("one"): None}, {}, None):
        ((_, why),) = Template({"resources": resources}, "", ids).resources()
        assert isinstance(why, str) and "give --resource-group" in why


@pytest.mark.parametrize("listed", [None, 5, "text", []])
def test_a_template_without_resources(listed: object) -> None:
    """A template may contain nothing that is of use."""
    assert list(template(resources=listed).resources()) == []
