"""The judge of writes: a clean log passes, and a log with any one breach in it does not."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.benchmarks.write_judge.facts import State
from tests.benchmarks.write_judge.limits import Limits
from tests.benchmarks.write_judge.record import OTHERS
from tests.benchmarks.write_judge.resources import daily, item, weekly
from tests.benchmarks.write_judge.way_back import journal_faults, lost, not_back, wire_matches
from tests.rollout.forged_logs import NOON, VAULT, Story, job, of_hours

JUDGE = (
    "record",
    "clocks",
    "facts",
    "windows",
    "meetings",
    "limits",
    "gates",
    "bodies",
    "manners",
    "judge",
    "way_back",
)

EXCLUSION = {"diskExclusionProperties": {"diskLunList": [1], "isInclusionList": True}}
BERLIN = "W. Europe Standard Time"


def test_the_judge_imports_nothing_of_the_product(root: Path) -> None:
    """Its modules import the standard library and each other, nothing else."""
    folder = root / "tests" / "benchmarks" / "write_judge"
    own = {f"tests.benchmarks.write_judge.{name}" for name in JUDGE}
    foreign = []
    for name in JUDGE:
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            foreign += [
                (name, one) for one in names if one not in own and one.partition(".")[0] not in sys.stdlib_module_names
            ]
    assert foreign == []


def test_a_clean_log_passes() -> None:
    """A VM that moves, an edit, a creation and the way back, all well done, are no breach."""
    story = Story()
    story.create("late", daily(VAULT, "late", "04:00"))
    story.move()
    story.move("app-01", "late")
    story.phase = "rollback"
    story.wait(days=1)
    story.move("app-00", "nightly")
    story.move("app-01", "nightly")
    assert story.broken() == set()


def _margin(story: Story) -> None:
    story.now = NOON.replace(hour=21)
    story.move()


def _margin_of_new_start(story: Story) -> None:
    story.now = NOON.replace(hour=4, minute=15)
    story.move()


def _margin_at_the_other_reading(story: Story) -> None:
    """23:00 in Berlin is 22:00 in UTC today and 21:00 in summer; 18:45 is near the latter only."""
    story.policies = [daily(VAULT, name, start, BERLIN) for name, start in (("nightly", "23:00"), ("early", "04:00"))]
    story.now = NOON.replace(hour=18, minute=45)
    story.move()


def _margin_of_an_edit(story: Story) -> None:
    story.now = NOON.replace(hour=22)
    edited = daily(VAULT, "nightly", "03:00")["properties"]
    story.look(story.policy("nightly"))
    story.send(story.policy("nightly"), edited)
    story.take_effect(story.policy("nightly"), edited)


def _job(story: Story) -> None:
    story.jobs = [job("app-00", NOON - timedelta(hours=1), 90)]
    story.move()


def _nameless_job(story: Story) -> None:
    story.jobs = [job("app-00", NOON - timedelta(hours=1), 90, named=False)]
    story.move()


def _rpo(story: Story) -> None:
    """After the run of 23:00 the next one is at 02:00 in two days' time, seen from a rule of 26 hours."""
    story.rules = '[[rule]]\nname = "points"\nrpo_hours = 26\n'
    story.policies = [daily(VAULT, "nightly", "06:00"), daily(VAULT, "early", "09:30")]
    story.now = NOON
    story.move()


def _gap(story: Story) -> None:
    story.move()
    story.jobs = [job("app-00", NOON - timedelta(hours=12), 30), job("app-00", NOON + timedelta(hours=30), 30)]


def _freeze(story: Story) -> None:
    story.rules = '[[rule]]\nname = "quiet"\nfreeze = [2026-02-18]\n'
    story.move()


def _freeze_of_a_creation(story: Story) -> None:
    story.rules = '[[rule]]\nname = "quiet"\nfreeze = [{ from = 2026-02-17, to = 2026-02-18 }]\n'
    story.create("late", daily(VAULT, "late", "04:00"))


def _forbid(story: Story) -> None:
    story.rules = '[[rule]]\nname = "batch"\nforbid = [{ from = "01:00", to = "03:00" }]\n'
    story.move()


def _allow(story: Story) -> None:
    story.rules = '[[rule]]\nname = "nights"\nallow = [{ from = "20:00", to = "04:00" }]\n'
    story.move()


def _forbid_after_the_clock_change(story: Story) -> None:
    """02:00 UTC is over by 05:15 in Berlin in winter; in summer it lasts until 06:15."""
    story.rules = '[[rule]]\nname = "early"\nforbid = [{ from = "06:00", to = "18:00", zone = "Europe/Berlin" }]\n'
    story.move()


def _cap(story: Story) -> None:
    story.rules = '[[rule]]\nname = "one"\nmax_concurrent = 1\n'
    story.items = [item(VAULT, "app-00", "nightly"), item(VAULT, "app-01", "early")]
    story.move()


def _separate(story: Story) -> None:
    story.rules = '[[rule]]\nname = "apart"\nseparate = ["app-00", "app-01"]\n'
    story.items = [item(VAULT, "app-00", "nightly"), item(VAULT, "app-01", "early")]
    story.move()


def _order(story: Story) -> None:
    story.rules = '[[rule]]\nname = "turns"\norder = ["app-00", "app-01"]\n'
    story.policies.append(daily(VAULT, "late", "05:00"))
    story.items = [item(VAULT, "app-00", "nightly"), item(VAULT, "app-01", "early")]
    story.move(policy="late")


def _pin(story: Story) -> None:
    story.rules = '[[rule]]\nname = "stays"\npin = true\nwhere = { name = "app-*" }\n'
    story.move()


def _exclude(story: Story) -> None:
    story.rules = '[[rule]]\nname = "not ours"\nexclude = true\nwhere = { name = "app-00" }\n'
    story.move()


def _too_many_vms(story: Story) -> None:
    story.rules = "[policies]\nmax_vms_per_policy = 1\n"
    story.move()
    story.move("app-01")


def _new_policy_of_101(story: Story) -> None:
    story.items = [item(VAULT, f"app-{n:03d}", "nightly") for n in range(101)]
    story.create("late", daily(VAULT, "late", "04:00"))
    for n in range(101):
        story.move(f"app-{n:03d}", "late")


def _too_many_policies(story: Story) -> None:
    story.rules = "[policies]\nmax_policies_per_vault = 2\n"
    story.create("late", daily(VAULT, "late", "04:00"))


def _too_many_policy_writes(story: Story) -> None:
    for n in range(51):
        story.create(f"new-{n}", daily(VAULT, f"new-{n}", "04:00"))
        story.wait(minutes=5)


def _too_many_vms_at_once(story: Story) -> None:
    story.rules = "[policies]\nmax_vms_per_policy = 1000\n"
    story.items = [item(VAULT, f"app-{n:03d}", "nightly") for n in range(200)]
    for n in range(200):
        story.move(f"app-{n:03d}")


def _twin(story: Story) -> None:
    story.policies[1] = daily(VAULT, "early", "02:00", count=31)
    story.move()


def _retention_of_a_creation(story: Story) -> None:
    story.create("late", daily(VAULT, "late", "04:00", count=31))


def _grid(story: Story) -> None:
    story.create("late", daily(VAULT, "late", "04:15"))


def _date_to_come(story: Story) -> None:
    resource = daily(VAULT, "late", "16:00")
    text = resource["properties"]["schedulePolicy"]["scheduleRunTimes"]
    text[0] = text[0].replace("2019-05-01", "2026-02-18")
    story.create("late", resource)


def _different_times(story: Story) -> None:
    resource = daily(VAULT, "late", "04:00")
    resource["properties"]["retentionPolicy"]["dailySchedule"]["retentionTimes"] = ["2019-05-01T05:00:00Z"]
    story.create("late", resource)


def _default_policy(story: Story) -> None:
    story.policies.append(daily(VAULT, "DefaultPolicy", "22:00"))
    edited = daily(VAULT, "DefaultPolicy", "03:00")["properties"]
    story.look(story.policy("DefaultPolicy"))
    story.send(story.policy("DefaultPolicy"), edited, 200)
    story.take_effect(story.policy("DefaultPolicy"), edited)


def _refused_body(story: Story) -> None:
    story.policies = [daily(VAULT, "nightly", "23:00", count=5)]
    story.create("late", daily(VAULT, "late", "04:00", count=5))


def _refused_weekly(story: Story) -> None:
    policy, late = (weekly(VAULT, name, "23:00", ["Sunday"]) for name in ("nightly", "late"))
    for one in (policy, late):
        one["properties"]["instantRpRetentionRangeInDays"] = 2
    story.policies = [policy]
    story.create("late", late)


def _empty_policy(story: Story) -> None:
    story.look(story.item_id("app-00"))
    story.send(story.item_id("app-00"), {**story.body("app-00", "early"), "policyId": ""})


def _lost_exclusion(story: Story) -> None:
    story.items[0]["properties"]["extendedProperties"] = EXCLUSION
    story.move()


def _odd_field(story: Story) -> None:
    story.move(protectionState="Protected")


def _another_source(story: Story) -> None:
    story.look(story.item_id("app-00"))
    story.send(story.item_id("app-00"), story.body("app-01", "early"))


def _no_look(story: Story) -> None:
    body = story.body("app-00", "early")
    story.send(story.item_id("app-00"), body)
    story.take_effect(story.item_id("app-00"), body)


def _sent_again_without_a_look(story: Story) -> None:
    story.look(story.item_id("app-00"))
    story.send(story.item_id("app-00"), story.body("app-00", "early"), 429)
    story.wait(minutes=1)
    story.send(story.item_id("app-00"), story.body("app-00", "early"), 429)


def _old_look(story: Story) -> None:
    story.look(story.item_id("app-00"))
    story.wait(minutes=20)
    story.send(story.item_id("app-00"), story.body("app-00", "early"))


def _over_others(story: Story) -> None:
    story.policies.append(daily(VAULT, "theirs", "05:00"))
    story.others(story.item_id("app-00"), policyId=story.policy("theirs"))
    story.move()


def _over_other_policy(story: Story) -> None:
    story.others(story.policy("early"), timeZone=BERLIN)
    story.move()


def _started_again(story: Story) -> None:
    story.others(story.item_id("app-00"), policyId="", protectionState="ProtectionStopped")
    story.move()


def _was_stopped(story: Story) -> None:
    story.items[0]["properties"]["protectionState"] = "ProtectionStopped"
    story.move()


def _accepted_again(story: Story) -> None:
    story.look(story.item_id("app-00"))
    story.send(story.item_id("app-00"), story.body("app-00", "early"))
    story.wait(hours=1)
    story.look(story.item_id("app-00"))
    story.send(story.item_id("app-00"), story.body("app-00", "early"))


def _too_early(story: Story) -> None:
    story.look(story.item_id("app-00"))
    story.send(story.item_id("app-00"), story.body("app-00", "early"), 429, wait="3600")
    story.wait(minutes=30)
    story.move("app-01")


def _daily_limit(story: Story) -> None:
    text = "you have reached the limit on number of operations permitted in 24 hours."
    story.look(story.item_id("app-00"))
    story.send(story.item_id("app-00"), story.body("app-00", "early"), 429, message=text)
    story.wait(hours=22)
    story.move("app-00")


def _few_hours(story: Story) -> None:
    story.look(story.item_id("app-00"))
    story.send(story.item_id("app-00"), story.body("app-00", "early"), 429, message="retry after few hours")
    story.wait(minutes=50)
    story.move("app-00")


def _twice(story: Story) -> None:
    story.move()
    story.move()


def _deleted(story: Story) -> None:
    story.look(story.policy("early"))
    story.send(story.policy("early"), None, 200, method="DELETE")
    story.take_effect(story.policy("early"), None)


def _strange_request(story: Story) -> None:
    story.send(VAULT, {}, method="POST")


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("margin", _margin),
        ("margin", _margin_of_new_start),
        ("margin", _margin_at_the_other_reading),
        ("margin", _margin_of_an_edit),
        ("job", _job),
        ("job", _nameless_job),
        ("RPO", _rpo),
        ("gap", _gap),
        ("freeze", _freeze),
        ("freeze", _freeze_of_a_creation),
        ("window", _forbid),
        ("window", _allow),
        ("window", _forbid_after_the_clock_change),
        ("cap", _cap),
        ("separate", _separate),
        ("order", _order),
        ("pin", _pin),
        ("exclude", _exclude),
        ("VMs per policy", _too_many_vms),
        ("VMs per policy", _new_policy_of_101),
        ("policies per vault", _too_many_policies),
        ("policy writes", _too_many_policy_writes),
        ("VMs at once", _too_many_vms_at_once),
        ("twin", _twin),
        ("twin", _retention_of_a_creation),
        ("twin", _over_other_policy),
        ("grid", _grid),
        ("grid", _date_to_come),
        ("grid", _different_times),
        ("default policy", _default_policy),
        ("refused body", _refused_body),
        ("refused body", _refused_weekly),
        ("body", _empty_policy),
        ("body", _lost_exclusion),
        ("body", _odd_field),
        ("body", _another_source),
        ("look", _no_look),
        ("look", _sent_again_without_a_look),
        ("look", _old_look),
        ("others", _over_others),
        ("stopped", _started_again),
        ("stopped", _was_stopped),
        ("in progress", _accepted_again),
        ("retry-after", _too_early),
        ("retry-after", _daily_limit),
        ("retry-after", _few_hours),
        ("twice", _twice),
        ("delete", _deleted),
        ("request", _strange_request),
    ],
    ids=lambda one: one.__name__.strip("_") if callable(one) else one,
)
def test_a_breach_in_a_log_is_found(rule: str, spoil: Callable[[Story], None]) -> None:
    """A log with one breach forged into it is not passed, and the rule is named."""
    story = Story()
    spoil(story)
    assert rule in story.broken()


def test_the_1001st_vm_of_a_day_is_found() -> None:
    """A vault bears 1,000 assignments in 24 hours."""
    story = Story()
    limits = Limits({}, State.of(story.policies, story.items))
    key = story.item_id("app-00").lower()
    found = [[*limits.written(key, NOON + timedelta(minutes=n))] for n in range(1001)]
    assert [len(faults) for faults in found] == [0] * 1000 + [1]


@pytest.mark.parametrize("minutes", [10, 130, 230], ids=["run in progress", "window not over", "next run near"])
def test_an_hourly_policy_is_left_alone_near_its_runs(minutes: int) -> None:
    """Two hours and a quarter after a run, and the quarter before the next one, are closed."""
    story = of_hours()
    story.now = NOON + timedelta(minutes=minutes)
    story.move()
    assert story.broken() == {"hourly"}


def test_an_hourly_policy_may_be_written_when_its_job_has_ended() -> None:
    """The job of the run is over, and the next run of either start is far enough."""
    story = of_hours()
    story.now = NOON + timedelta(minutes=60)
    story.jobs = [job("app-00", NOON + timedelta(minutes=5), 20)]
    story.move()
    assert story.broken() == set()


def test_what_nobody_could_know_is_no_breach() -> None:
    """A change between the last look and the request is overwritten without fault, as Azure knows no If-Match."""
    story = Story(policies=[daily(VAULT, name, start) for name, start in (("nightly", "23:00"), ("early", "02:00"))])
    story.look(story.item_id("app-00"))
    story.look(story.policy("early"))
    story.others(story.item_id("app-00"), extendedProperties=EXCLUSION)
    body = story.body("app-00", "early", extendedProperties=EXCLUSION)
    story.send(story.item_id("app-00"), body)
    story.take_effect(story.item_id("app-00"), body)
    assert story.broken() == set()


def test_lost_writes_are_found() -> None:
    """A write that no outcome speaks of, one that is done but not in place, and one skipped without a reason."""
    story = Story()
    changes = [
        {"kind": "reassign_item", "item_id": story.item_id(vm), "policy_id": story.policy("early")}
        for vm in ("app-00", "app-01")
    ]
    state = State.of(story.policies, story.items)
    assert [rule for rule, _ in lost(changes, {"done": [1], "skipped": {}}, state, ())] == ["lost", "lost"]
    assert len(list(lost(changes, {"pending": {"1": "x"}, "skipped": {"2": "x"}}, state, ()))) == 1
    assert not list(
        lost(changes, {"pending": {"1": "x"}, "skipped": {"2": "x"}}, state, {changes[1]["item_id"].lower()})
    )


def test_a_write_without_an_intent_is_found() -> None:
    """Every change of a machine needs an intent in its journal."""
    story = Story()
    story.move()
    intent = {"record": "intent", "object_id": story.item_id("app-00")}
    assert [rule for rule, _ in journal_faults(story.log, {("a", "apply"): []})] == ["journal"]
    assert not list(journal_faults(story.log, {("a", "apply"): [intent]}))


def test_a_way_back_that_is_missing_is_found() -> None:
    """What was moved and is not back is found; so is what others changed, if nobody says so."""
    story = Story()
    story.move()
    story.move("app-01")
    moved = State.of([*story.policies], [story.state(story.item_id(vm)) or {} for vm in ("app-00", "app-01")])
    assert len(list(not_back(story.log, moved, ""))) == 2
    assert not list(not_back(story.log, State.of(story.policies, story.items), ""))
    story.policies.append(daily(VAULT, "theirs", "05:00"))
    story.others(story.item_id("app-01"), policyId=story.policy("theirs"))
    theirs = State.of(story.policies, [story.items[0], story.state(story.item_id("app-01")) or {}])
    assert [what for _, what in not_back(story.log, theirs, "")] == [
        "app-01: left as others changed it, without a word"
    ]
    assert not list(not_back(story.log, theirs, "VM 'app-01' was moved by somebody else and is left alone"))


def test_a_log_that_lacks_a_change_is_found() -> None:
    """The judge's state must be that of the service: what it has not seen it cannot judge."""
    story = Story()
    story.move()
    state = State.of(story.policies, story.items)
    assert (
        len(list(wire_matches(state, story.policies, [story.state(story.item_id("app-00")) or {}, story.items[1]])))
        == 1
    )
    assert OTHERS not in {event.who for event in story.log.changes}
