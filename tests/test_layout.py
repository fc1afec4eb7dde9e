"""The repository itself: what stands on top, what must not be written anywhere, what the README promises."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import COMPILES, LONG, WITHOUT_SOLVER

TOP = {
    ".ci", ".editorconfig", ".gitattributes", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md",
    "constraints.txt", "data", "docs", "notebooks", "optimizer", "pyproject.toml", "tests",
}  # fmt: skip

# In pieces, so that this file does not name what no file may name.
FORBIDDEN = [
    "/" + "work" + "/",
    "/" + "opt" + "/",
    "/" + "root" + "/",
    "py" + "pi.org",
    "python" + "hosted",
    "extra-" + "index-url",
    "find-" + "links",
]


@pytest.fixture(scope="module")
def files(root: Path) -> list[Path]:
    """Return the files that are tracked or about to be, relative to the root."""
    if not (root / ".git").exists():
        pytest.skip("needs a git checkout to tell the files of the repository from others")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (root / name).is_file()]


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    """Return the ``[project]`` table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def dependencies(project: dict[str, Any]) -> set[str]:
    """Return the names of all packages that the project asks for, extras included."""
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.match(r"[\w.-]+", line)[0] for one in lists for line in one}  # type: ignore[index]
    return {normal(name) for name in names} - {project["name"]}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def quick_start(root: Path) -> str:
    text = (root / "README.md").read_text(encoding="utf-8")
    section = re.search(r"^## Quick start\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, "README.md has no section '## Quick start'"
    return section[1]


def commands(root: Path) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", quick_start(root), re.MULTILINE | re.DOTALL)


def test_the_top_level_is_the_users(files: list[Path]) -> None:
    """Nothing but the agreed folders and the files that the ecosystem expects stands on top."""
    assert {path.parts[0] for path in files} <= TOP


def test_no_file_names_a_workplace_or_an_index(root: Path, files: list[Path]) -> None:
    """No path of somebody's machine and no address of a package index is in any file or file name."""
    found = []
    for path in files:
        text = f"{path}\n" + (root / path).read_bytes().decode("utf-8", errors="replace")
        found += [(str(path), word) for word in FORBIDDEN if word in text]
    assert found == []


def test_data_files_are_small(root: Path, files: list[Path]) -> None:
    """Nothing above 1 MB is kept in the repository: traces are for benchmarks and stay outside."""
    assert [str(path) for path in files if (root / path).stat().st_size > 1_000_000] == []


def test_the_quick_start_is_two_commands(root: Path) -> None:
    """The Quick start holds exactly two fenced blocks, both ``sh`` and of one line: run it, test it."""
    assert re.findall(r"^```(.*)$", quick_start(root), re.MULTILINE) == ["sh", "", "sh", ""]
    assert [len(command.splitlines()) for command in commands(root)] == [1, 1]
    demo, tests = commands(root)
    assert "backup-optimizer demo" in demo
    assert "pytest" in tests
    assert all("-c constraints.txt" in command for command in (demo, tests))


def test_the_checks_run_the_commands_of_the_readme(root: Path) -> None:
    """What ``.ci/run`` takes out of the README is what a reader copies from it."""
    for number, command in enumerate(commands(root), start=1):
        script = f'eval "$(sed -n "/^readme_command() /,/^}}/p" .ci/run)"; readme_command {number}'
        taken = subprocess.run(["bash", "-c", script], cwd=root, capture_output=True, text=True, check=True).stdout
        assert taken == command


def test_constraints_are_exact_and_complete(root: Path, project: dict[str, Any]) -> None:
    """Every package that the project asks for has one exact version, without an address."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    names = [normal(line.partition("==")[0]) for line in pins]
    assert len(names) == len(set(names))
    assert dependencies(project) <= set(names)


def test_every_dependency_is_accounted_for(root: Path, project: dict[str, Any]) -> None:
    """``docs/dependencies.md`` says of every package why it is there."""
    text = normal((root / "docs" / "dependencies.md").read_text(encoding="utf-8"))
    assert sorted(name for name in dependencies(project) if f"`{name}`" not in text) == []


def test_every_test_says_what_it_shows(root: Path) -> None:
    """Each test has a docstring that states a behavior."""
    silent = [
        f"{path.relative_to(root)}: {node.name}"
        for path in sorted((root / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []


def test_the_order_of_the_modules_names_files_that_exist(root: Path) -> None:
    """A module that was moved would lose its place, and a worker could end with a long one."""
    assert [name for name in (COMPILES, *LONG, *WITHOUT_SOLVER) if not (root / name).exists()] == []
