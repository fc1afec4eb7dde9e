"""What time it is for the service, by the headers of its answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from optimizer.azure.service import AzureBackupService
from optimizer.azure.service_clock import time_of
from optimizer.errors import CloudError
from tests.azure.wire import POLICY, VAULT, Answer, Wire

DATE = "Fri, 27 Nov 2026 03:00:00 GMT"
THREE = datetime(2026, 11, 27, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Date": DATE}, THREE),
        ({"dAtE": f" {DATE} "}, THREE),
        ({"Date": "Fri, 27 Nov 2026 04:00:00 +0100"}, THREE),
        ({"Date": "Friday, 27-Nov-26 03:00:00 GMT"}, THREE),
        ({"Date": DATE, "Age": "0"}, THREE),
        ({"Date": DATE, "age": "3600"}, THREE + timedelta(hours=1)),
        ({"Date": DATE, "Age": "-5"}, None),
        ({"Date": DATE, "Age": "an hour"}, None),
        ({"Date": DATE, "Age": "9999999999"}, None),
        ({}, None),
        ({"Date": ""}, None),
        ({"Date": "2026-11-27T03:00:00Z"}, None),
        ({"Date": "Fri, 31 Feb 2026 03:00:00 GMT"}, None),
        ({"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}, None),
        ({"Age": "10"}, None),
    ],
)
def test_the_time_of_an_answer_is_read_or_not_known(headers: dict[str, str], expected: datetime | None) -> None:
    """Time spent in caches counts; what is missing or malformed is not guessed."""
    assert time_of(headers) == expected


def test_the_last_answer_tells_the_time(wire: Wire, service: AzureBackupService) -> None:
    """Before the first answer, and after one without a time, the service's clock is not known."""
    later = "Fri, 27 Nov 2026 05:00:00 GMT"
    answers = [Answer(200, {"value": []}, {"Date": date} if date else {}) for date in (DATE, later, "", later)]
    wire.on("GET", ".*/backupPolicies", *answers)
    found = [service.clock_ahead(THREE)]
    for _ in answers:
        service.list_policies(VAULT)
        found.append(service.clock_ahead(THREE))
    assert found == [None, timedelta(), timedelta(hours=-2), None, timedelta(hours=-2)]


def test_what_is_not_there_tells_the_time_and_a_failure_does_not(wire: Wire, service: AzureBackupService) -> None:
    """A 404 is all that is read before a policy is created, so it counts; a 403 may come from a proxy."""
    wire.on("GET", ".*/backupPolicies", Answer(403, {}, {"Date": DATE}))
    with pytest.raises(CloudError):
        service.list_policies(VAULT)
    assert service.clock_ahead(THREE) is None
    wire.on("GET", ".*/backupPolicies/.*", Answer(404, {"error": {"code": "NotFound"}}, {"Date": DATE}))
    assert service.get_policy(POLICY) is None
    assert service.clock_ahead(THREE + timedelta(hours=7)) == timedelta(hours=7)


def test_the_client_of_vaults_tells_the_time_too(wire: Wire, service: AzureBackupService) -> None:
    """Whichever client was asked last."""
    wire.on("GET", ".*/vaults/[^/]+", Answer(200, {"id": VAULT}, {"Date": DATE}))
    wire.on("GET", ".*", Answer(403, {}))
    with pytest.raises(CloudError):
        service.vault_settings(VAULT)  # the vault is read, its guards are not
    assert service.clock_ahead(THREE) is not None
