"""Names of new policies: one time in them, accepted by Azure, free in the vault; and edits that make a name wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.documents.plan_document import EditPolicy
from optimizer.estate.document import EstateDocument
from optimizer.estate.folder import Estate
from optimizer.model.inventory import Policy
from optimizer.model.policy_names import free_name
from optimizer.model.rules import PolicyLimits, Rules
from optimizer.model.timegrid import Frequency, format_start, parse_start
from optimizer.plan.notes.policy_notes import notes_on_names
from tests.plan.estates import VAULT, standard_policy

AZURE_NAME = re.compile(r"[a-zA-Z][-_!a-zA-Z0-9]{2,149}")


def policy_of(name: str, start: str) -> Policy:
    as_of = datetime(2026, 2, 17, tzinfo=UTC)
    document = EstateDocument(
        created_at=as_of,
        as_of=as_of,
        source="azure",
        vaults=({"id": VAULT, "name": "rsv-one"},),
        policies=(standard_policy("any", start),),
        protected_items=(),
    )
    (policy,) = Estate(Path("estate"), document).inventory().policies.values()
    return replace(policy, name=name)


def name_of(twin: str, today: str, start: str, template: str | None = None, **others: str) -> str:
    """Name of a new policy; ``others`` are the starts of further policies of the vault, with ``_`` for ``-``."""
    taken: dict[str, int | None] = {name.replace("_", "-"): parse_start(time) for name, time in others.items()}
    taken[twin.lower()] = parse_start(today)
    return free_name(policy_of(twin, today), parse_start(start), taken, template)


NAMES = [
    ("pol-daily-2300-30d", "23:00", "pol-daily-0800-30d"),
    ("DailyPolicy-2300", "23:00", "DailyPolicy-0800"),
    ("daily2300utc", "23:00", "daily0800utc"),
    ("bkp_23h00_30d", "23:00", "bkp_08h00_30d"),
    ("bkp-23H", "23:00", "bkp-08H"),
    ("vm-23-00-prod", "23:00", "vm-08-00-prod"),
    ("vm_23_00", "23:00", "vm_08_00"),
    ("VM 23:00", "23:00", "VM-08-00"),
    ("Daily-11PM", "23:00", "Daily-8AM"),
    ("daily11pm", "23:00", "daily8am"),
    ("daily-1030pm", "22:30", "daily-800am"),
    ("daily-10-30-pm", "22:30", "daily-8-00-am"),
    ("daily-09pm", "21:00", "daily-08am"),
    ("midnight-12am", "00:00", "midnight-8am"),
    ("2300-daily", "23:00", "policy-0800-daily"),
    ("2300-to-2300", "23:00", "policy-0800-to-0800"),
    ("nightly", "23:00", "nightly-0800"),
    ("team-1000", "23:00", "team-1000-0800"),
    ("keep-1000d", "10:00", "keep-1000d-0800"),
    ("since-2026-01-30", "01:30", "since-2026-01-30-0800"),
    ("was-11pm-once", "22:00", "was-8am-once"),
    ("from-10pm-to-4am", "22:00", "from-8am-to-4am"),
    ("from-10pm-to-4am", "21:00", "from-10pm-to-4am-0800"),
    ("Büro täglich (alt)", "23:00", "B-ro-t-glich-alt--0800"),
    ("2nd", "23:00", "policy-2nd-0800"),
    ("夜", "23:00", "policy---0800"),
    ("a/b", "23:00", "a-b-0800"),
]


@pytest.mark.parametrize(("twin", "today", "expected"), NAMES)
def test_a_new_policy_is_called_after_its_twin(twin: str, today: str, expected: str) -> None:
    """The new time replaces the old one in the twin's name, in its notation; a name without it gets the time added."""
    assert name_of(twin, today, "08:00") == expected
    assert AZURE_NAME.fullmatch(expected)


def test_half_hours_are_spelled_out() -> None:
    """A notation without minutes gets them where the new time is on the half hour."""
    assert name_of("Daily-11PM", "23:00", "08:30") == "Daily-830AM"
    assert name_of("bkp-23h", "23:00", "08:30") == "bkp-08h30"
    assert name_of("noon-12pm", "12:00", "00:00") == "noon-12am"


def test_the_interval_of_an_hourly_policy_is_no_time() -> None:
    """``12h`` in the name of an hourly policy is an interval, even where the policy starts at 12:00."""
    assert name_of("every-12h", "12:00", "08:00") == "every-08h"
    policy = policy_of("every-12h", "12:00")
    hourly = replace(policy, recurrence=replace(policy.recurrence, frequency=Frequency.HOURLY))
    assert free_name(hourly, parse_start("08:00"), {}) == "every-12h-0800"


@pytest.mark.parametrize(
    ("twin", "today", "others", "expected"),
    [
        ("pol-daily-0200-30d-2", "02:00", {"pol_daily_0200_30d": "02:00"}, "pol-daily-0800-30d"),
        ("pol-daily-0200-30d-2", "02:00", {}, "pol-daily-0800-30d-2"),
        ("daily-2300-30", "23:00", {}, "daily-0800-30"),
        ("pol-daily-2300-30d-0200", "02:00", {"pol_daily_2300_30d": "23:00"}, "pol-daily-0800-30d"),
        ("pol-daily-2300-30d-0200-2", "02:00", {"pol_daily_2300_30d": "23:00"}, "pol-daily-0800-30d"),
        ("nightly-0200", "05:00", {"nightly": "23:00"}, "nightly-0800"),
        ("team-1000-0200", "02:00", {"team_1000": "23:00"}, "team-1000-0800"),
        ("daily-2300", "23:00", {"daily_0800": "08:00"}, "daily-0800-2"),
        ("daily-2300", "23:00", {"daily_0800": "08:00", "daily_0800_2": "08:00"}, "daily-0800-3"),
    ],
)
def test_what_earlier_plans_added_goes_again(twin: str, today: str, others: dict[str, str], expected: str) -> None:
    """A number or a time that an earlier plan added is replaced, not kept; a name that is taken gets a number."""
    assert name_of(twin, today, "08:00", **others) == expected


@given(st.text(min_size=1, max_size=200), st.integers(0, 47), st.integers(0, 47), st.booleans())
def test_every_name_is_one_that_azure_takes(twin: str, today: int, start: int, with_template: bool) -> None:
    """Whatever the twin is called, long or foreign, the name is accepted and free, many times over."""
    policy = policy_of(twin, format_start(today))
    taken: dict[str, int | None] = {policy.name.lower(): today}
    template = "{twin}-{hour}h{minute}" if with_template else None
    names = [free_name(policy, start, taken, template) for _ in range(12)]
    assert len({name.lower() for name in [policy.name, *names]}) == 13
    assert all(AZURE_NAME.fullmatch(name) for name in names)


@given(st.integers(1, 150), st.sampled_from(["2300", "23h00", "11pm"]), st.integers(0, 150))
def test_a_long_name_keeps_its_time(before: int, time: str, after: int) -> None:
    """A name that gets too long is cut beside the time, never in it."""
    twin = f"{'x' * before}-{time}-{'y' * after}"
    expected = {"2300": "0830", "23h00": "08h30", "11pm": "830am"}[time]
    taken: dict[str, int | None] = {twin.lower(): 46}
    policy = policy_of(twin, "23:00")
    for _ in range(12):
        name = free_name(policy, parse_start("08:30"), taken)
        assert AZURE_NAME.fullmatch(name)
        assert expected in name


TEMPLATES = [
    ("{twin}-{time}", "pol-daily-2300-30d", "pol-daily-30d-0800"),
    ("{twin}-{time}", "nightly", "nightly-0800"),
    ("{twin}-{time}", "nightly-2300-2", "nightly-0800"),
    ("bkp-{frequency}-{hour}h{minute}-{twin}", "nightly", "bkp-daily-08h00-nightly"),
    ("bkp-{frequency}-{hour}h{minute}-{twin}", "bkp-daily-23h00-nightly", "bkp-daily-08h00-nightly"),
    ("bkp-{twin}-{time}", "2300", "bkp-policy-0800"),
    ("{frequency}-{time}", "whatever", "daily-0800"),
    ("{twin}-{time}", "2nd-2300", "policy-2nd-0800"),
]


@pytest.mark.parametrize(("template", "twin", "expected"), TEMPLATES)
def test_a_template_makes_the_names(template: str, twin: str, expected: str) -> None:
    """Placeholders get the values of the new policy, and a name that the template made does not grow."""
    made = name_of(twin, "23:00", "08:00", template)
    assert made == expected
    assert name_of(made, "08:00", "23:00", template) == expected.replace("08", "23")


def test_a_long_twin_is_cut_to_fit_the_template() -> None:
    """The time of the template stays, and the name has at most 150 characters."""
    name = name_of("x" * 150, "23:00", "08:00", "backup-{twin}-at-{time}")
    assert len(name) == 150
    assert name.endswith("x-at-0800")


def edit(name: str, today: str, start: str, frequency: str = "Daily") -> EditPolicy:
    return EditPolicy(
        vault_id=VAULT,
        policy=name,
        policy_id=f"{VAULT}/backupPolicies/{name}",
        start_today=today,
        start=start,
        properties={"schedulePolicy": {"scheduleRunFrequency": frequency}},
    )


@pytest.mark.parametrize(
    ("name", "today", "start", "expected"),
    [
        ("daily-2300", "23:00", "08:00", True),
        ("Daily-11PM", "23:00", "08:00", True),
        ("daily", "23:00", "08:00", False),
        ("daily-2200", "23:00", "08:00", False),
        ("daily-2300-or-0800", "23:00", "08:00", False),
    ],
)
def test_an_edit_that_makes_a_name_wrong_is_found(name: str, today: str, start: str, expected: bool) -> None:
    """A name is wrong after an edit if it states the old time and not the new one."""
    assert edit(name, today, start).is_misnamed == expected
    assert edit("every-12h", "12:00", "08:00").is_misnamed
    assert not edit("every-12h", "12:00", "08:00", "Hourly").is_misnamed


def test_wrong_names_are_reported() -> None:
    """The note has the policies with their new times, and what to do about them."""
    wrong = [edit(f"daily-2300-{number}", "23:00", "08:00") for number in range(5)]
    (note,) = notes_on_names([*wrong, edit("nightly", "23:00", "08:00")], Rules())
    assert note.startswith(
        "5 edited policies keep names that state their old time ('daily-2300-0' starts at 08:00, 'daily-2300-1' "
        "starts at 08:00, 'daily-2300-2' starts at 08:00 and 2 more). Azure cannot rename a policy; to create a policy"
    )
    assert "set clone_misnamed = true under [policies]" in note
    (note,) = notes_on_names(wrong[:1], Rules(policies=PolicyLimits(clone_misnamed=True)))
    assert note.startswith("1 edited policy keeps a name that states its old time")
    assert "no place for another policy (max_policies_per_vault)" in note
    assert notes_on_names([edit("nightly", "23:00", "08:00")], Rules()) == []
