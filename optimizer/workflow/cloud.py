"""Port through which the use cases reach a cloud; the Azure adapter implements it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from optimizer.intake import PullOptions, PullSource
from optimizer.ports import BackupCloud


class Cloud(BackupCloud, Protocol):
    """Azure, or an emulator of it."""

    def open_source(self, options: PullOptions) -> AbstractContextManager[PullSource]:
        """Open the clients that a pull needs."""
        ...
