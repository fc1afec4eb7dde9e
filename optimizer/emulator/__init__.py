"""Emulator of the Azure endpoints on loopback, which ``rehearse`` and the tests write to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader  # type: ignore[import-untyped]  # it ships no types

if TYPE_CHECKING:
    from optimizer.emulator.faults import Faults as Faults
    from optimizer.emulator.refusal import Refusal as Refusal
    from optimizer.emulator.server import Emulator as Emulator
    from optimizer.emulator.settings import Settings as Settings
    from optimizer.emulator.state import AcceptedWrite as AcceptedWrite
    from optimizer.emulator.state import CloudState as CloudState

# Each name is imported on first use, so that --help does not load a web server.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "faults": ["Faults"],
        "refusal": ["Refusal"],
        "server": ["Emulator"],
        "settings": ["Settings"],
        "state": ["AcceptedWrite", "CloudState"],
    },
)
