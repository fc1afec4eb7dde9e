"""``docs/azure.md`` names code and tests; a name that is gone is a promise that nobody keeps."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "azure.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_exists() -> None:
    """Each ``file::test`` is a function of that file."""
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE))
    assert len(named) > 30
    gone = [
        f"{file}::{name}"
        for file, name in sorted(named)
        if not (ROOT / "tests" / file).is_file()
        or f"def {name}(" not in (ROOT / "tests" / file).read_text(encoding="utf-8")
    ]
    assert gone == []


def test_every_module_that_the_page_names_exists() -> None:
    """Each path without a test is a module of the package."""
    named = set(re.findall(r"`([a-z_]+/[\w/]+\.py)`", PAGE))
    assert len(named) > 15
    assert [file for file in sorted(named) if not (ROOT / "optimizer" / file).is_file()] == []


def test_every_rule_and_every_uncertain_fact_has_its_row() -> None:
    """Ten rules and seventeen facts, in order."""
    rules, facts = PAGE.split("## Facts that are not certain")
    assert re.findall(r"^\| (\d+)\. ", rules, re.MULTILINE) == [str(n) for n in range(1, 11)]
    assert re.findall(r"^\| (\d+)\. ", facts, re.MULTILINE) == [str(n) for n in range(1, 18)]
