"""Refusals: status, code, message and headers of unsuccessful answers."""

from __future__ import annotations

from optimizer.emulator.refusal import forbidden, invalid_policy, locked, not_found, throttled
from tests.plan.estates import policy_id


def test_the_body_is_that_of_arm() -> None:
    """Code and message are below ``error``; the text of the exception has the status too."""
    refusal = not_found(policy_id("p-1"))
    message = f"The Resource 'p-1' under '{policy_id('p-1')}' was not found."
    assert refusal.body() == {"error": {"code": "ResourceNotFound", "message": message}}
    assert str(refusal) == f"404 ResourceNotFound: {message}"


def test_a_missing_right_names_action_and_scope() -> None:
    """The message has the form from which clients read the right."""
    assert "perform action 'a/read' over scope '/s'" in forbidden("a/read", "/s").message


def test_only_a_stated_wait_becomes_a_header() -> None:
    """``Retry-After`` is absent if no wait is given, and has no idle decimals."""
    assert throttled("Code", "m").headers == {}
    assert throttled("Code", "m", 60.0).headers == {"Retry-After": "60"}


def test_statuses_are_those_that_were_recorded() -> None:
    """A locked object is a conflict, and a bad policy a 400 whose message states no reason."""
    assert (locked().status, locked().code) == (409, "BMSUserErrorObjectLocked")
    assert (invalid_policy().status, invalid_policy().code) == (400, "BMSUserErrorInvalidPolicyInput")
