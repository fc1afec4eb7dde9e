"""The tree of errors that a user can cause."""

from __future__ import annotations

import re

from optimizer import errors, solve

OUTSIDE = {"NoScheduleError", "NotFoundWithinEffortError"}
"""Errors that live in other packages."""


def tree() -> dict[str, str]:
    """Return the parent of each error, as the docstring of the module draws it."""
    path: list[str] = []
    parents = {}
    for indent, name in re.findall(r"^( *)(\w+Error)\b", str(errors.__doc__), re.MULTILINE):
        path[len(indent) // 4 :] = [name]
        parents[name] = path[-2] if len(path) > 1 else "Exception"
    return parents


def below(kind: type[Exception]) -> dict[str, str]:
    """Return the parent of each class below one."""
    found = {}
    for child in kind.__subclasses__():
        if child.__module__.startswith("optimizer."):
            found |= {child.__name__: kind.__name__, **below(child)}
    return found


def test_the_docstring_draws_the_tree() -> None:
    """Every error is where the docstring shows it, and the docstring shows every error of the module."""
    assert issubclass(solve.NoScheduleError, errors.OptimizerError)
    classes = {"OptimizerError": "Exception", **below(errors.OptimizerError)}
    assert {name: classes[name] for name in tree() if name in classes} == {
        name: parent for name, parent in tree().items() if name in classes
    }
    assert set(tree()) - set(classes) <= OUTSIDE
    assert set(errors.__all__) == set(tree()) - OUTSIDE


def test_wrong_usage_has_an_exit_code_of_its_own() -> None:
    """Every other error ends a command with 1."""
    assert (errors.UsageError.exit_code, errors.ConfigError.exit_code) == (2, 1)


def test_a_refusal_of_the_service_carries_its_details() -> None:
    """Code, status and wait are for the caller; the text is the message."""
    error = errors.ThrottledError("slow down", code="Busy", status=429, retry_after_seconds=60.0)
    assert (str(error), error.code, error.status, error.retry_after_seconds) == ("slow down", "Busy", 429, 60.0)
    plain = errors.CloudError("no")
    assert (plain.code, plain.status, plain.retry_after_seconds) == ("", None, None)
