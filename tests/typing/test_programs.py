"""Small programs as users write them: ``mypy --strict`` checks them, and those that need no cloud run here."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import optimizer
from tests.intake.inputs import write_load, write_vms
from tests.typing import first_hour, own_data, questions

HERE = Path(__file__).resolve().parent


def test_the_type_checker_reads_the_programs() -> None:
    """The command that checks the types of the product also checks these programs."""
    settings = tomllib.loads((HERE.parent.parent / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]
    assert "tests/typing" in settings["files"]
    assert settings["strict"] is True


def test_the_programs_use_every_public_name() -> None:
    """A name that is added to the public API is also added to one of these programs."""
    used = {
        node.attr
        for file in HERE.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "optimizer"
    }
    public = set(vars(optimizer)["__all__"])
    assert used - public == set()
    assert public - used == set()


def test_the_first_hour_runs(tmp_path: Path) -> None:
    """The program of the first hour does what its types say, and leaves a plan and a page."""
    first_hour.main(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} >= {"estate", "plan.json", "page.html"}
    questions.main(str(tmp_path / "estate"))


def test_own_data_runs(tmp_path: Path) -> None:
    """Files are imported and planned twice, and a mistake in them is said in words."""
    (tmp_path / "rules.toml").write_text("max_moves = 1\n")
    vms, load = write_vms(tmp_path), write_load(tmp_path)
    assert own_data.main(tmp_path, str(vms), load).endswith("VMs move")
    assert own_data.main(tmp_path, str(vms), load).startswith("an input cannot be used: ")
