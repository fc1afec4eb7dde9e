"""The note that compares the estimated risk of a VM with its history."""

from __future__ import annotations

import numpy as np

from optimizer.plan.explanations.observed_note import notes_on_observed


def test_figures_close_to_what_was_observed_need_no_note() -> None:
    """Nor do those of which nothing was observed; an unknown half is called so."""
    assert notes_on_observed(np.array([1.0, 0.0]), np.array([1.05, 0.02]), 28) == []
    assert notes_on_observed(np.array([np.nan]), np.array([5.0]), 28) == []
    (note,) = notes_on_observed(np.array([0.0, np.nan]), np.array([0.98, 0.4]), 28)
    assert note == (
        "At-risk backups per 30 days observed in its 28 days of history: 0.00 at today's start and an unknown number "
        "at the plan's start. The model estimates 0.98 at today's start and 0.40 at the plan's start: it smooths the "
        "hours of each VM, and may draw them toward those of all VMs."
    )


def test_the_mean_over_the_readings_of_a_clock_is_called_so() -> None:
    """Observed figures of a VM in a zone with daylight saving are a mean, which no single month shows."""
    figures = np.array([23.62, 0.0]), np.array([17.8, 0.0])
    (note,) = notes_on_observed(*figures, 28, 60)
    mean = "0.00 at the plan's start (mean over both UTC offsets of its time zone, 60 minutes apart). The model"
    assert mean in note
    assert "mean over" not in notes_on_observed(*figures, 28)[0]
