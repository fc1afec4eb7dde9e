"""Check that this machine's clock agrees with the service's: windows, freezes and budgets depend on the time."""

from __future__ import annotations

from datetime import timedelta

from optimizer.errors import ClockError
from optimizer.ports import BackupReader, Clock

CLOCK_TOLERANCE = timedelta(minutes=5)
"""Maximum difference between the two clocks. Kerberos allows as much, and windows keep half an hour of slack."""


def clock_fault(reader: BackupReader, clock: Clock) -> str:
    """Describe what is wrong with this machine's clock; empty if it agrees with the service's.

    Call this right after a read: it compares the clock with the service's last answer.
    """
    now = clock.now()
    ahead = reader.clock_ahead(now)
    if ahead is None:
        return (
            "this machine's clock cannot be checked, because the last answer of the service carried no usable Date "
            "header: look for a proxy that removes or changes it"
        )
    if abs(ahead) <= CLOCK_TOLERANCE:
        return ""
    allowed, way = round(CLOCK_TOLERANCE / timedelta(minutes=1)), "ahead of" if ahead > timedelta() else "behind"
    return (
        f"this machine's clock is {_span(abs(ahead))} {way} the service's: "
        f"here it is {now:%Y-%m-%d %H:%M:%S} UTC, there {now - ahead:%Y-%m-%d %H:%M:%S} UTC (header Date); at most "
        f"{allowed} minutes are allowed. Set this machine's clock, or look for a proxy that answers from a cache"
    )


def require_clock(reader: BackupReader, clock: Clock, command: str) -> None:
    """Refuse to continue if this machine's clock is wrong or cannot be checked.

    Parameters
    ----------
    reader, clock
        The service, right after a read from it, and this machine's clock.
    command
        Command that the message asks the user to run again.

    Raises
    ------
    ClockError
        The clocks differ by more than ``CLOCK_TOLERANCE``, or the time of the service is unknown.
    """
    if fault := clock_fault(reader, clock):
        unwritten = "" if command == "watch" else ". Nothing was written"
        raise ClockError(f"{fault}; then run '{command}' again{unwritten}")


def _span(span: timedelta) -> str:
    """A span in words: the two largest of days, hours, minutes and seconds."""
    seconds = round(span.total_seconds())
    parts = (("d", seconds // 86400), ("h", seconds // 3600 % 24), ("min", seconds // 60 % 60), ("s", seconds % 60))
    first = next((index for index, (_, count) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for unit, count in parts[first : first + 2] if count) or "0 s"
