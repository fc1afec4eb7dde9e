"""Options of a pull are checked before anything is requested."""

from __future__ import annotations

import pytest

from optimizer.errors import UsageError
from optimizer.intake.pull.pull_options import MAX_DAYS, PullOptions


@pytest.mark.parametrize("days", [1, 30, MAX_DAYS])
def test_periods_that_azure_keeps(days: int) -> None:
    """From one day to the 93 days that Azure keeps."""
    assert PullOptions(days=days, job_days=days).days == days


@pytest.mark.parametrize("days", [0, -1, MAX_DAYS + 1])
def test_periods_that_azure_does_not_keep(days: int) -> None:
    """Each option is named with its value and what is allowed."""
    with pytest.raises(UsageError, match=rf"--days is {days}; allowed: 1 to 93, which is what Azure keeps"):
        PullOptions(days=days)
    with pytest.raises(UsageError, match=rf"--job-days is {days}; allowed: 1 to 93"):
        PullOptions(job_days=days)
