"""Scenarios: built from changes, or read from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.errors import ConfigError
from optimizer.whatif.changes import DropRule, SetKey
from optimizer.whatif.scenario import Scenario, read_scenarios


def test_a_scenario_is_named_after_its_changes() -> None:
    """Without a name of its own, a scenario is called as its changes are written."""
    scenario = Scenario.parse("max_moves=3", "drop-rule=at night")
    assert scenario.name == "max_moves=3; drop-rule=at night"
    assert scenario.changes == (SetKey("max_moves", 3), DropRule("at night"))
    assert Scenario.parse("max_moves=3", name="few moves").name == "few moves"


def test_a_scenario_may_change_nothing() -> None:
    """Then its plan is the base plan, and its name says so."""
    assert Scenario.parse() == Scenario("nothing changes", ())


def test_rules_files_are_found_beside_the_folder(tmp_path: Path) -> None:
    """The path of a rules file is relative to the folder that is given."""
    (tmp_path / "stay.toml").write_text('[[rule]]\nname = "stay"\npin = true\n')
    assert str(Scenario.parse("add-rule=stay.toml", folder=tmp_path).changes[0]) == "add-rule=stay.toml"
    with pytest.raises(ConfigError, match="there is no file"):
        Scenario.parse("add-rule=stay.toml", folder=tmp_path / "elsewhere")


def test_a_file_holds_several_scenarios(tmp_path: Path) -> None:
    """Scenarios of a file have their names, and name files beside it."""
    (tmp_path / "stay.toml").write_text('[[rule]]\nname = "stay"\npin = true\n')
    file = tmp_path / "scenarios.toml"
    file.write_text(
        '[[scenario]]\nname = "dear"\nwhat_if = ["prices.snapshot_overlap=0.05"]\n'
        '[[scenario]]\nname = "frozen"\nwhat_if = ["add-rule=stay.toml", "max_moves=0"]\n'
    )
    dear, frozen = read_scenarios(file)
    assert dear == Scenario("dear", (SetKey("prices.snapshot_overlap", 0.05),))
    assert [str(change) for change in frozen.changes] == ["add-rule=stay.toml", "max_moves=0"]


FILES = {
    "": "allowed: one [[scenario]] or more",
    "max_moves = 3": "allowed: one [[scenario]] or more, and nothing else",
    "[[scenario]]\nname = 'x'": "scenario 1 cannot be used",
    "[[scenario]]\nname = 'x'\nwhat_if = 'max_moves=3'": "scenario 1 cannot be used",
    "[[scenario]]\nname = 'x'\nwhat_if = ['max_mves=3']": "scenario 'x': what if 'max_mves=3': there is no kind",
    "[[scenario": "is not TOML",
}


@pytest.mark.parametrize("content", FILES)
def test_files_that_hold_no_scenarios_are_refused(tmp_path: Path, content: str) -> None:
    """A file of scenarios that is none is refused by name, with how to write one."""
    file = tmp_path / "scenarios.toml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_scenarios(file)
    assert FILES[content] in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """No file, no traceback."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_scenarios(tmp_path / "none.toml")


def test_a_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are named as the reason; a byte order mark is fine."""
    file = tmp_path / "scenarios.toml"
    file.write_bytes(b"[[scenario]]\nname = '\xff'\nwhat_if = []\n")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        read_scenarios(file)
    file.write_text("[[scenario]]\nname = 'x'\nwhat_if = ['max_moves=3']\n", encoding="utf-8-sig")
    assert read_scenarios(file) == (Scenario("x", (SetKey("max_moves", 3),)),)
