"""Port through which the use cases reach a cloud; the Azure adapter implements it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from optimizer.estate.pull_options import PullOptions
from optimizer.estate.pull_source import PullSource
from optimizer.ports import BackupReader, BackupService, Clock


class Cloud(Protocol):
    """Azure, or an emulator of it."""

    @property
    def clock(self) -> Clock:
        """Clock that goes with the cloud."""
        ...

    @property
    def polling_seconds(self) -> float:
        """First pause, in seconds, between two looks at an operation for which the service states none."""
        ...

    @property
    def state_folder(self) -> Path | None:
        """Folder in which all runs on this machine count their writes; None: the usual folder of this user."""
        ...

    @property
    def emulator(self) -> str:
        """Id of the running emulator; empty for a real cloud.

        Its writes are counted apart, so that they never count toward the budget of the vaults that it imitates.
        """
        ...

    def open_source(self, options: PullOptions) -> AbstractContextManager[PullSource]:
        """Open the clients that a pull needs."""
        ...

    def reader(self) -> BackupReader:
        """A client that can only read."""
        ...

    def service(self) -> BackupService:
        """A client that can also write."""
        ...
