"""Documents are immutable, refuse unknown keys, and keep times in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from optimizer.model.strict import StrictModel, UtcDatetime


class _Entry(StrictModel):
    """A document of one time."""

    at: UtcDatetime


def test_times_are_converted_to_utc_and_need_an_offset() -> None:
    """The same instant, whatever offset it was written with."""
    berlin = datetime(2026, 3, 2, 12, tzinfo=timezone(timedelta(hours=1)))
    entry = _Entry(at=berlin)
    assert entry.at == datetime(2026, 3, 2, 11, tzinfo=UTC)
    assert entry.at.utcoffset() == timedelta()
    with pytest.raises(ValidationError, match="timezone"):
        _Entry(at=berlin.replace(tzinfo=None))


def test_documents_do_not_change_and_know_their_keys() -> None:
    """An assignment fails, and so does a key that the document does not have."""
    entry = _Entry(at=datetime(2026, 3, 2, tzinfo=UTC))
    with pytest.raises(ValidationError, match="frozen"):
        entry.at = datetime(2027, 3, 2, tzinfo=UTC)  # type: ignore[misc]  # what a user might try
    with pytest.raises(ValidationError, match="Extra inputs"):
        _Entry.model_validate({"at": "2026-03-02T00:00:00Z", "more": 1})
