"""Note that compares the estimated risk of a VM with its history."""

from __future__ import annotations

import numpy as np

from optimizer.model.arrays import FloatArray

WORTH_COMPARING = 0.1
"""Difference between estimated and observed at-risk backups per 30 days from which a note states both."""


def notes_on_observed(observed: FloatArray, estimated: FloatArray, num_days: int, clock_shift: int = 0) -> list[str]:
    """Compare estimates with observations; returns no note if they are close or nothing was observed.

    Parameters
    ----------
    observed, estimated
        At-risk backups per 30 days at today's start and, if the VM moves, at the plan's start; NaN if unknown.
    num_days
        Number of days of usable history.
    clock_shift
        Minutes by which the time zone of the VM's policy changes its clock; 0 if it never does.
    """
    if not np.any(np.abs(observed - estimated) > WORTH_COMPARING):
        return []
    seen, model = (
        " and ".join(
            f"{'an unknown number' if np.isnan(value) else f'{value:.2f}'} at {start}"
            for start, value in zip(("today's start", "the plan's start"), values.tolist(), strict=False)
        )
        for values in (observed, estimated)
    )
    days = "1 day" if num_days == 1 else f"{num_days:,} days"
    # The history has one UTC offset at a time, but the schedule must do under both.
    mean = f" (mean over both UTC offsets of its time zone, {abs(clock_shift)} minutes apart)" if clock_shift else ""
    note = (
        f"At-risk backups per 30 days observed in its {days} of history: {seen}{mean}. The model estimates {model}: "
        "it smooths the hours of each VM, and may draw them toward those of all VMs."
    )
    return [note]
