"""Bodies of policies that the service refuses, and bodies that it answers in another spelling."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import RejectedError
from optimizer.journal import Journal
from optimizer.model.clock import VirtualClock
from optimizer.ports import Accepted
from optimizer.rollout.carry_out.carrier import Carrier
from optimizer.rollout.carry_out.outcome import End
from optimizer.rollout.session.ledger import Ledger
from optimizer.rollout.session.session import Session
from optimizer.rollout.writes.states import policy_state
from tests.rollout.conftest import PACE, Ready, run
from tests.rollout.fake_service import FakeService

INVALID = "BMSUserErrorInvalidPolicyInput"


class Refusing(FakeService):
    """Answers every write of a policy with 400, as the service does to a body that it no longer accepts."""

    def put_policy(self, policy_id: str, properties: Mapping[str, Any]) -> Accepted | None:
        """Refuse."""
        del properties
        raise RejectedError(f"cannot write {policy_id}: HTTP 400 {INVALID}", code=INVALID)


class Tidying(FakeService):
    """Spells out what was not sent, as today's service does."""

    def put_policy(self, policy_id: str, properties: Mapping[str, Any]) -> Accepted | None:
        """Store a policy with every default in it."""
        not_tiered = {"tieringMode": "DoNotTier", "duration": 0, "durationType": "Invalid"}
        spelled = {**copy.deepcopy(dict(properties)), "tieringPolicy": {"ArchivedRP": not_tiered}}
        spelled["schedulePolicy"] = {"scheduleWeeklyFrequency": 0, **spelled["schedulePolicy"]}
        return super().put_policy(policy_id, spelled)


@pytest.mark.parametrize(
    ("count", "said"),
    [(5, "daily retention is 5 days; allowed: 7 to 9,999 days"), (30, "breaks none of the")],
)
def test_a_refused_body_is_explained(planned: Ready, tmp_path: Path, count: int, said: str) -> None:
    """The journal has the service's words and the rule that the body breaks, or that none of the known ones is."""
    write = next(write for write in planned.writes if write.kind == "create_policy")
    body = copy.deepcopy(dict(write.body))
    body["retentionPolicy"]["dailySchedule"]["retentionDuration"]["count"] = count
    journal = Journal(tmp_path / "j")
    carrier = Carrier(Session(Refusing(planned.document), VirtualClock(planned.noon), Ledger(tmp_path)), journal, PACE)
    attempt = carrier.carry_out(replace(write, body=body))
    assert attempt.end is End.FAILED
    assert INVALID in attempt.reason
    assert said in attempt.reason
    assert said in (tmp_path / "j").read_text(encoding="utf-8")


def test_answers_that_spell_out_defaults_are_what_was_sent(planned: Ready, tmp_path: Path) -> None:
    """A created policy that comes back with today's defaults is as planned, and its VMs go to it."""
    service = Tidying(planned.document)
    outcome = run(planned, service, tmp_path)
    assert outcome.complete, outcome.reasons
    assert not outcome.skipped


def test_the_spelling_of_a_policy_is_no_change() -> None:
    """Defaults, fractions of a second, the order of days and null do not count; retention and dates do."""
    plain = {
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunDays": ["Sunday", "Monday"],
            "scheduleRunTimes": ["2024-01-01T21:00:00Z"],
        },
        "retentionPolicy": {"weeklySchedule": {"retentionDuration": {"count": 4, "durationType": "Weeks"}}},
    }
    spelled = copy.deepcopy(plain)
    spelled["schedulePolicy"] |= {
        "scheduleRunDays": ["Monday", "Sunday"],
        "scheduleRunTimes": ["2024-01-01T21:00:00.000+00:00"],
        "scheduleWeeklyFrequency": 0,
    }
    spelled |= {"timeZone": "UTC", "policyType": "V1", "instantRPDetails": {"azureBackupRGNamePrefix": None}}
    assert policy_state(spelled) == policy_state(plain)
    spelled["schedulePolicy"]["scheduleRunTimes"] = ["2024-01-02T21:00:00Z"]
    assert policy_state(spelled) != policy_state(plain)
