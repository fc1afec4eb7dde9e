"""Every public function that reads or writes a file takes its path as text or as a ``Path``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import optimizer
from optimizer.journal import read_history
from tests.intake.inputs import write_load, write_vms
from tests.report.small_estate import make_inventory, make_plan, make_risk

BOTH = pytest.mark.parametrize("as_given", [str, Path])


@BOTH
def test_an_estate_is_imported_and_opened(tmp_path: Path, as_given: Callable[[Path], str | Path]) -> None:
    """Inventory, load and folder of an import, and the folder to open, are given either way."""
    folder = as_given(tmp_path / "estate")
    report = optimizer.import_estate(as_given(write_vms(tmp_path)), as_given(write_load(tmp_path)), folder)
    assert report.vms == len(optimizer.open_estate(folder).inventory().vms)


@BOTH
def test_a_demo_is_written(tmp_path: Path, as_given: Callable[[Path], str | Path]) -> None:
    """The folder of a demo is given either way."""
    optimizer.generate_demo(as_given(tmp_path / "demo"), vms=2, weeks=1)
    assert len(optimizer.open_estate(as_given(tmp_path / "demo")).inventory().vms) == 2


@BOTH
def test_rules_are_read(tmp_path: Path, as_given: Callable[[Path], str | Path]) -> None:
    """The rules file is given either way."""
    (tmp_path / "rules.toml").write_text("max_moves = 3\n")
    assert optimizer.read_rules(as_given(tmp_path / "rules.toml")).max_moves == 3


@BOTH
def test_a_plan_is_written_and_read(tmp_path: Path, as_given: Callable[[Path], str | Path]) -> None:
    """The file of a plan is given either way, to write it, to read it, and as history."""
    inventory = make_inventory(7)
    plan = make_plan(inventory, make_risk(inventory))
    optimizer.write_plan(plan, as_given(tmp_path / "plan.json"))
    assert optimizer.read_plan(as_given(tmp_path / "plan.json")) == plan
    one, several = (
        read_history(given, inventory) for given in (as_given(tmp_path / "plan.json"), [tmp_path / "plan.json"])
    )
    assert one == several
    assert len(one) == 1


@BOTH
def test_a_missing_journal_is_named(tmp_path: Path, as_given: Callable[[Path], str | Path]) -> None:
    """A journal that is not there is an error of the product whichever way it is given."""
    with pytest.raises(optimizer.OptimizerError, match=r"plan\.journal\.jsonl: the journal cannot be read"):
        optimizer.read_journal(as_given(tmp_path / "plan.journal.jsonl"))
