"""Stubs of lazily loaded packages, which the import contracts cannot see: they go through doors as well."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

WITHOUT_DOOR = "model"
"""The only room whose modules others import one by one."""


@pytest.fixture(scope="module")
def package(root: Path) -> Path:
    return root / "optimizer"


def imports_of(stub: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the level of each import of a stub (1 for its own package) and the parts of the path it names."""
    for node in ast.walk(ast.parse(stub.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.Import), f"{stub}: lazy_loader reads only 'from .x import y as y'"
        if isinstance(node, ast.ImportFrom):
            yield node.level, (node.module or "").split(".")


def test_the_public_names_come_from_doors(package: Path) -> None:
    """The stub of the whole package imports from rooms, not from modules inside them."""
    imports = list(imports_of(package / "__init__.pyi"))
    assert imports
    for level, (room, *inside) in imports:
        assert level == 1
        assert (package / f"{room}.py").is_file() or (package / room / "__init__.py").is_file()
        assert not inside or room == WITHOUT_DOOR, f"import from .{room}, not from .{'.'.join([room, *inside])}"


def test_a_door_offers_only_what_its_own_room_makes(package: Path) -> None:
    """No stub of a room reaches into another room."""
    stubs = list(package.glob("*/**/__init__.pyi"))
    assert package / "workflow" / "__init__.pyi" in stubs
    assert not [(stub.parent.name, path) for stub in stubs for level, path in imports_of(stub) if level != 1]
