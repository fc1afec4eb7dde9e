"""Golden plans stay as they are; see plans.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.golden.plans import PLANS, WORDS, Golden, answer, entries

ENTRIES = [
    pytest.param(entry, id=entry.name, marks=[pytest.mark.thorough] if entry.slow else []) for entry in entries()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the estates, which entries of the same estate share."""
    return tmp_path_factory.mktemp("golden")


@pytest.mark.parametrize("entry", ENTRIES)
def test_plan_is_the_golden_one(entry: Golden, folder: Path) -> None:
    """Schedule, costs, bound and changes are as recorded, and so is every word; `python -m tests.golden.plans`."""
    figures, words = answer(entry, folder)
    assert figures == json.loads(PLANS.read_text(encoding="utf-8"))[entry.name]
    assert words == json.loads(WORDS.read_text(encoding="utf-8"))[entry.name]
