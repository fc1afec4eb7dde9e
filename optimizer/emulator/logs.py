"""Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.emulator.routes import Route

if TYPE_CHECKING:
    from optimizer.emulator.state import CloudState
    from optimizer.estate.load_store import LoadStore


def logs_routes(state: CloudState, load: LoadStore | None) -> tuple[Route, ...]:
    """Routes."""
    return ()
