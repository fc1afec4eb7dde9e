"""Who sends requests that change something."""

from __future__ import annotations

import ast
from pathlib import Path

from optimizer.ports import BackupWriter

WRITE_METHODS = {name for name in vars(BackupWriter) if not name.startswith("_")}
"""Methods of the port that send a write."""


def used_write_methods(module: Path) -> set[str]:
    """Return the write methods that a module calls or passes on."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return used & WRITE_METHODS


def test_only_the_carrier_calls_the_write_methods_of_the_port(root: Path) -> None:
    """Every write passes the window, the budget and the journal; the emulator answers writes and is left out."""
    package = root / "optimizer"
    modules = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    used = {name: used_write_methods(path) for name, path in modules.items() if not name.startswith("emulator/")}
    carrier = "rollout/carry_out/carrier.py"
    assert used.pop(carrier) == WRITE_METHODS == {"put_policy", "put_item", "delete_policy"}
    assert not {name: methods for name, methods in used.items() if methods}
