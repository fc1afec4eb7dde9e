"""Whether a text fits the terminal that it is drawn for."""

from __future__ import annotations

from rich.console import RenderableType

from optimizer.report.terminal.sheet import to_text


def assert_fits(page: RenderableType, width: int, *, ascii_only: bool) -> None:
    """Assert that no line is longer than the terminal is wide, and that ASCII output is ASCII."""
    text = to_text(page, width, ascii_only=ascii_only)
    assert max(map(len, text.splitlines())) <= width
    assert text.isascii() or not ascii_only
