"""Clock of the service, read from the ``Date`` header of its answers."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy

from optimizer.azure.errors import http_date
from optimizer.model.caseless import Caseless

_EARLIEST_YEAR = 2000
"""Earliest plausible year: a ``Date`` before it comes from a clock that was never set."""


class ServiceClock(SansIOHTTPPolicy[Any, Any]):
    """A policy that remembers when the service sent its last answer, by the service's own clock.

    Only successful answers and 404 count, because refusals and failures may come from a proxy with its own clock.
    """

    def __init__(self) -> None:
        self._told: datetime | None = None
        self._lock = threading.Lock()

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        """Remember the time of an answer, or that the answer has no usable time."""
        del request
        answer = response.http_response
        if 200 <= answer.status_code < 300 or answer.status_code == 404:
            with self._lock:
                self._told = time_of(answer.headers)

    def ahead(self, now: datetime) -> timedelta | None:
        """How far a time is ahead of the last answer; None if that answer has no usable time."""
        with self._lock:
            return None if self._told is None else now - self._told


def time_of(headers: Mapping[str, str]) -> datetime | None:
    """Time at which an answer was made or, if it comes from a cache, was handed out; None if not stated.

    Parameters
    ----------
    headers
        Headers with names in any case: ``Date``, and ``Age``, the number of seconds that the answer spent in caches.
    """
    by_name: dict[str, str] = {Caseless(str(name)): str(value).strip() for name, value in headers.items()}
    made, age = http_date(by_name.get("date", "")), by_name.get("age", "0")
    if made is None or made.year < _EARLIEST_YEAR or not re.fullmatch(r"\d{1,9}", age):
        return None
    return made + timedelta(seconds=int(age))
