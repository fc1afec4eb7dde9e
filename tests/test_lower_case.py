"""Ids and names are compared without case by their type, not by converting them wherever they are compared."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

ALLOWED = {
    "azure/errors.py": (3, "patterns are matched against codes and texts"),
    "azure/pipeline.py": (2, "scheme and host of an address are sent in lower case"),
    "azure/waits.py": (4, "words of English sentences"),
    "cli/failures.py": (1, "the name of a class becomes a code"),
    "config.py": (1, "similar spellings of a key are looked for"),
    "intake/arm_ids.py": (1, "the type of a resource is cut out of an id"),
    "arm/vm_policy.py": (2, "a key of JSON is made from a word; texts at any depth are folded for a digest"),
    "intake/load_files/csv_load.py": (2, "suffix of a file and names of columns"),
    "demo/demo_policy.py": (4, "names and keys are made from words"),
    "intake/resource_files/reading.py": (1, "similar spellings of a key are looked for"),
    "intake/resource_files/resource_shapes.py": (1, "values at any depth are compared without case"),
    "intake/resource_files/template.py": (1, "the function toLower of templates"),
    "intake/vm_list/vm_columns.py": (2, "names of columns"),
    "model/caseless.py": (3, "the one place that converts"),
    "model/timegrid.py": (4, "names of time zones"),
    "model/policy_names.py": (1, "a word of a template"),
    "report/page/vm_loads.py": (1, "names are sorted for people"),
    "report/wording/rule_words.py": (1, "Python's True is true in TOML"),
    "report/terminal/explanation.py": (1, "the first letter of a sentence"),
    "whatif/changes.py": (1, "Python's True is true in TOML"),
}
"""Number of calls of ``lower`` that each file may have, with the reason."""

TAKEN_APART = {
    "azure/operations.py": (1, "the path of a URL"),
    "emulator/machines.py": (1, "the path of a URL"),
    "intake/listing.py": (1, "a name such as group/vm, which is no id"),
    "intake/resource_files/template.py": (1, "the end of an id is replaced"),
    "model/arm_id.py": (1, "the one place that takes ids apart"),
    "plan/make/diff.py": (1, "the end of an id is replaced"),
}
"""Number of calls of ``rpartition("/")`` that each file may have, with the reason."""


def _calls(root: Path, name: str, *arguments: object) -> dict[str, int]:
    """Count the calls of a method with some arguments, by file of the package."""
    package = root / "optimizer"
    found: Counter[str] = Counter()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != name:
                continue
            given = tuple(part.value if isinstance(part, ast.Constant) else part for part in node.args)
            found[file.relative_to(package).as_posix()] += given == arguments
    return {file: count for file, count in found.items() if count}


@pytest.mark.parametrize(
    ("calls", "allowed", "instead"),
    [
        (("lower",), ALLOWED, "compare optimizer.model.arm_id.ArmId or optimizer.model.caseless.Caseless"),
        (("rpartition", "/"), TAKEN_APART, "use the name and the other parts of optimizer.model.arm_id.ArmId"),
    ],
    ids=["lower", "rpartition"],
)
def test_text_is_converted_only_where_there_is_a_reason(
    root: Path, calls: tuple[str, ...], allowed: dict[str, tuple[int, str]], instead: str
) -> None:
    """No file converts or takes apart more often than the list allows; an entry that is too large is lowered."""
    found = _calls(root, *calls)
    assert found == {file: count for file, (count, _) in allowed.items()}, instead


def test_few_conversions_are_left() -> None:
    """The list stays short."""
    assert sum(count for count, _ in ALLOWED.values()) <= 40
