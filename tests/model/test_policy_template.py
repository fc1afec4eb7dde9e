"""Templates for the names of new policies: what is accepted, and why another one is not."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from optimizer.model.policy_template import PLACEHOLDERS, NameTemplate

TEMPLATE: TypeAdapter[str] = TypeAdapter(NameTemplate)


@pytest.mark.parametrize(
    "template",
    [
        "{twin}-{time}",
        "bkp-{frequency}-{hour}h{minute}-{twin}",
        "{frequency}_{time}!",
        "A{time}",
        "x" * 100 + "{time}",
    ],
)
def test_a_template_that_azure_can_take_is_kept(template: str) -> None:
    """Letters, digits, ``-``, ``_``, ``!`` and placeholders are accepted, up to 100 characters beside them."""
    assert TEMPLATE.validate_python(template) == template


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_every_placeholder_is_accepted(name: str) -> None:
    """Each documented placeholder may stand in a template."""
    assert TEMPLATE.validate_python(f"p-{{{name}}}-{{time}}")


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{twin}", "does not state the time"),
        ("{twin}-{hour}", "does not state the time"),
        ("{twin}-{minute}", "does not state the time"),
        ("", "does not state the time"),
        ("{twins}-{time}", "has the placeholder {twins}, which does not exist; allowed: {twin}, {time}"),
        ("{}-{time}", "has the placeholder {}, which does not exist"),
        ("{twin}.{time}", "contains '.'"),
        ("{twin}-{time}}", "contains '}'"),
        ("Büro-{time}", "contains 'ü'"),
        ("2-{time}", "does not begin with a letter"),
        ("{hour}-{minute}", "does not begin with a letter"),
        ("x" * 101 + "{time}", "has 101 characters beside its placeholders; allowed: 100"),
    ],
)
def test_another_template_is_refused_with_the_reason(template: str, reason: str) -> None:
    """The message has the template, what is wrong with it, and what is allowed."""
    with pytest.raises(ValidationError) as refused:
        TEMPLATE.validate_python(template)
    message = str(refused.value.errors()[0]["ctx"]["error"])
    assert message.startswith(repr(template))
    assert reason in message
