"""Reports the progress of a run to the person who started it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from optimizer.ports import Progress, no_progress, silent

WORTH_REPORTING = timedelta(seconds=10)
"""Waits that are shorter than this are not reported."""


@dataclass
class Reporter:
    """Reporter of a run.

    Parameters
    ----------
    progress
        Called after each write.
    tell
        Prints what the run waits for after Ctrl-C.
    remark
        Prints until when the run waits, and why.
    """

    progress: Progress = no_progress
    tell: Callable[[str], None] = silent
    remark: Callable[[str], None] = silent
    _said: str = field(default="", init=False)

    def written(self, number: int, total: int, name: str) -> None:
        """Report that a write is made, which is the given one of all writes of the run."""
        self.progress("write", number, total, name)

    def waiting(self, now: datetime, until: datetime, awaits: str) -> None:
        """Report, once, until when no lane makes a write, and why.

        Parameters
        ----------
        now, until
            Present time, and end of the wait.
        awaits
            What the run waits for, in words that follow "waiting until ...".
        """
        # Rounded up to the minute, so that the wait is over at the time shown.
        shown = f"{until + timedelta(seconds=59):%Y-%m-%d %H:%M} UTC"
        line = f"waiting until {shown} {awaits}; Ctrl-C stops, --resume continues"
        if until - now >= WORTH_REPORTING and line != self._said:
            self._said = line
            self.remark(line)

    def stopping(self, names: Sequence[str]) -> None:
        """Report, after Ctrl-C, which requests the run still waits for."""
        self.tell("")  # move below the ^C of the terminal
        if not names:
            self.tell("stopping: no other write is begun")
            return
        requests = "1 request" if len(names) == 1 else f"{len(names)} requests"
        self.tell(
            f"stopping: no other write is begun; waiting for the outcome of {requests} ({', '.join(sorted(names))}). "
            "Press Ctrl-C again to stop at once; --resume then looks in Azure how they ended"
        )
