"""Files that are nested 200,000 levels deep, or much less, get a message and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.config import read_rules
from optimizer.documents.plan_file import read_plan
from optimizer.documents.rollback_file import read_rollback
from optimizer.errors import ConfigError, EstateError, OptimizerError
from optimizer.estate.document import ESTATE_FILE, read_document
from optimizer.journal import is_journal, read_journal
from optimizer.model.raw import parse_json, parse_toml, too_deep
from optimizer.whatif.scenario import read_scenarios

DEPTHS = pytest.mark.parametrize("depth", [100, 900, 200_000])


def deep(depth: int) -> str:
    """Lists within lists."""
    return "[" * depth + "]" * depth


@DEPTHS
def test_deep_text_is_refused(depth: int) -> None:
    """Both readers of text raise what they raise for text that is not JSON or TOML."""
    for read, content in ((parse_json, deep(depth)), (parse_toml, f"a = {deep(depth)}")):
        with pytest.raises(ValueError, match="nested too deeply"):
            read(content)
    assert parse_json(deep(20))
    assert parse_toml(f"a = {deep(20)}")


@DEPTHS
def test_a_deep_estate_gets_a_message(tmp_path: Path, depth: int) -> None:
    """The message names the file and what to do."""
    (tmp_path / ESTATE_FILE).write_text(f'{{"schema_version": 1, "vms": [{deep(depth)}]}}', encoding="utf-8")
    with pytest.raises(EstateError, match="nested too deeply") as caught:
        read_document(tmp_path)
    assert "import or pull the estate again" in str(caught.value)


@DEPTHS
def test_deep_plans_journals_rules_and_scenarios_get_a_message(tmp_path: Path, depth: int) -> None:
    """Every file that a user names is read so."""
    file = tmp_path / "file"
    for read, content in (
        (read_plan, f'{{"notes": {deep(depth)}}}'),
        (read_rollback, f'{{"policies": {deep(depth)}}}'),
        (read_journal, f'{{"record": {deep(depth)}}}\n'),
    ):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(OptimizerError):
            read(file)
    assert not is_journal(file)
    file.write_text(f"rule = {deep(depth)}", encoding="utf-8")
    for load in (read_rules, read_scenarios):
        with pytest.raises(ConfigError, match="nested too deeply"):
            load(file)


def test_depth_is_counted_in_levels() -> None:
    """A scalar has none, and dictionaries count like lists."""
    assert not too_deep("x", 1)
    assert not too_deep({"a": {"b": 1}}, 2)
    assert too_deep({"a": {"b": [1]}}, 2)
    assert too_deep([[[]]], 2)
