"""The audit and the plan report rules that have no effect on an estate, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimizer.config import read_rules
from optimizer.documents import Audit
from optimizer.estate.folder import Estate, open_estate
from optimizer.intake.estate_import import import_estate
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.plan import prepare
from optimizer.plan.audits.rule_scope import idle_rules, notes_on_scope
from optimizer.report.terminal.audit import render_audit
from optimizer.report.terminal.sheet import to_text
from optimizer.workflow import audit_case
from tests.plan.estates import arm_estate, write_inputs

EVENING = {"forbid": [{"from": "22:00", "to": "24:00", "zone": "UTC"}]}
PAST = "is in the past; check the year"
LATER = "the plan of that month will keep it"
NOON = {"forbid": [{"from": "12:00", "to": "12:30", "zone": "UTC"}]}


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """Return forty VMs of five services, without tags."""
    folder = tmp_path_factory.mktemp("scope")
    vms, load = write_inputs(folder)
    import_estate(vms, load, folder / "estate")
    return open_estate(folder / "estate")


def rules_of(*rules: dict[str, Any]) -> Rules:
    named = [{"name": f"rule {number}", **rule} for number, rule in enumerate(rules)]
    return Rules(rule=tuple(Rule.model_validate(rule) for rule in named))


def audited(estate: Estate, *rules: dict[str, Any]) -> Audit:
    """Audit the estate, which takes a second; the reasons alone take a millisecond."""
    return audit_case(prepare(estate, rules_of(*rules)))


def reasons(estate: Estate, rules: Rules) -> dict[str, str]:
    """Return the reason of each idle rule, by its name; every VM may move."""
    inventory = estate.inventory(rules.service_from)
    idle = idle_rules(inventory, rules, np.zeros(len(inventory.items), dtype=np.bool_))
    return {found.rule: found.why for found in idle}


def notes(estate: Estate, rules: Rules) -> list[str]:
    """Return the notes of a plan on the scope of its rules; every VM may move."""
    inventory = estate.inventory(rules.service_from)
    return notes_on_scope(inventory, rules, np.zeros(len(inventory.items), dtype=np.bool_))


def text_of(found: Audit) -> str:
    """Print an audit without breaking lines."""
    return " ".join(to_text(render_audit(found)).split())


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ({"tag": {"tier": "db"}}, "no VM has the tag 'tier'"),
        ({"name": "sql-*"}, "no VM has name = 'sql-*'; this estate has 'erp-00', 'erp-01', 'erp-02' and 37 more"),
        ({"service": "epr"}, "no VM has service = 'epr'; this estate has 'erp', 'shop', 'web' and 7 more"),
        ({"vault": "vault-c"}, "no VM has vault = 'vault-c'; this estate has 'vault-a' and 'vault-b'"),
        ({"subscription": "prod"}, "no VM has subscription = 'prod'; this estate has none"),
        ({"resource_group": "rg-*"}, "no VM has resource_group = 'rg-*'; this estate has none"),
        ({"os": "Linux"}, "no VM has os = 'Linux'; this estate has none"),
        ({"frequency": ["Hourly"]}, "no VM is backed up Hourly; this estate has 'Daily' and 'Weekly'"),
        ({"service": "epr", "tag": {"tier": "db"}}, "no VM has the tag 'tier'; no VM has service = 'epr'; this"),
        (
            {"service": "mail", "vault": "vault-b"},
            "each criterion of its 'where' matches some VM, but no VM matches all of them",
        ),
    ],
)
def test_a_rule_for_no_vm_has_its_reason(estate: Estate, where: dict[str, Any], why: str) -> None:
    """The reason names the criterion that fits no VM and what there is."""
    found = reasons(estate, rules_of({"where": where, **EVENING}))
    assert list(found) == ["rule 0"]
    assert found["rule 0"].startswith(why)


def test_a_rule_for_no_vm_is_an_alarm_of_the_audit(estate: Estate) -> None:
    """The audit lists the rule with its reason and does not call it kept."""
    found = audited(estate, {"where": {"service": "epr"}, **EVENING})
    assert {idle.rule: idle.why for idle in found.idle_rules} == reasons(
        estate, rules_of({"where": {"service": "epr"}, **EVENING})
    )
    text = text_of(found)
    assert "Rules that have no effect on this estate" in text
    assert "today's schedule keeps" not in text


def test_exceptions_can_leave_no_vm(estate: Estate) -> None:
    """A rule that exempts every VM it selects protects none, and the reason counts them."""
    rules = rules_of({"where": {"service": "pay"}, "except": ["pay-*"], **EVENING})
    assert reasons(estate, rules) == {"rule 0": "its 'except' exempts all 4 VMs of its 'where'"}


@pytest.mark.parametrize(
    ("per", "why"),
    [
        ({}, "no two of its sets have VMs"),
        ({"per": "service"}, "no service has VMs of two of its sets"),
        ({"per": "vault"}, "no vault has VMs of two of its sets"),
    ],
)
def test_sets_that_never_meet_are_an_alarm(estate: Estate, per: dict[str, str], why: str) -> None:
    """A rule between sets has no effect where no two of its sets have VMs."""
    rules = rules_of({"order": [{"service": "erp"}, {"service": "epr"}], **per})
    assert reasons(estate, rules) == {"rule 0": why}


def test_only_rules_that_apply_are_called_kept(estate: Estate) -> None:
    """One rule of two applies and holds: the audit claims just that; with both applying it claims every rule."""
    text = text_of(audited(estate, NOON, {"where": {"service": "epr"}, **EVENING}))
    assert "today's schedule keeps the 1 rule that has an effect" in text
    assert "today's schedule keeps every rule" in text_of(audited(estate, NOON, NOON))
    broken = text_of(audited(estate, EVENING, {"where": {"service": "epr"}, **EVENING}))
    assert "Rules that today's schedule breaks" in broken
    assert "Rules that have no effect on this estate" in broken
    assert "today's schedule keeps" not in broken


@pytest.mark.parametrize(
    "sample",
    [
        "app-tiers",
        "business-hours",
        "defaults",
        "minimal",
        "regulated",
    ],
)
def test_no_sample_is_silent_about_rules_without_vms(root: Path, estate: Estate, sample: str) -> None:
    """Each rule of the samples that applies to no VM of an estate without tags is explained."""
    rules = read_rules(root / "data" / "rules" / f"{sample}.toml")
    tagged = {rule.name for rule in rules.rule if rule.where.tag}
    found = reasons(estate, rules)
    assert tagged <= found.keys()
    assert all("no VM has the tag" in found[name] for name in tagged)


def test_a_tag_with_another_value_is_told_with_the_values_there_are(tmp_path: Path) -> None:
    """A tag that exists with other values is most often a slip: the sentence lists them, in any case of the key."""
    inventory = arm_estate(tmp_path / "estate").inventory(Rules().service_from)
    key, value = next((key, value) for vm in inventory.vms.values() for key, value in vm.tags.items())
    rule = Rule(name="tier", where=Selector(tag={key.upper(): value + "x"}), pin=True)
    (idle,) = idle_rules(inventory, Rules(rule=(rule,)), np.zeros(len(inventory.items), dtype=np.bool_))
    assert idle.why.startswith(f"no VM has the tag {key.upper()} = '{value}x'; this estate has ")
    assert repr(value) in idle.why


DAY = {"from": "08:00", "to": "18:00"}


def dated(*dates: str, **more: Any) -> dict[str, Any]:
    """Return a rule that forbids the day on these dates."""
    return {"forbid": [{**DAY, "dates": list(dates), **more}]}


def test_the_estate_of_these_tests_is_taken_in_february(estate: Estate) -> None:
    """The dates below are before, in and after the 30 days from 23 February 2026."""
    assert estate.as_of.date().isoformat() == "2026-02-22"


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (dated("2020-01-01"), "its only date in 'forbid', 2020-01-01, is in the past; check the year"),
        (
            dated("2020-01-01", "2021-01-01"),
            "the last date of its 'forbid', 2021-01-01, is in the past; check the year",
        ),
        (
            dated("2026-12-24"),
            "its 'forbid' begins on 2026-12-24, after 2026-03-24, the last day of this plan; " + LATER,
        ),
        (
            dated("2020-01-01", "2026-12-24"),
            "no date of its 'forbid' lies between 2026-02-23 and 2026-03-24, the last day of this plan",
        ),
        (dated("2026-03-04", days=["Monday"]), "none of its 'dates' is on one of its 'days'"),
        ({"freeze": ["2020-01-01"]}, "its only date in 'freeze', 2020-01-01, is in the past; check the year"),
        (
            {"freeze": [{"from": "2062-03-01", "to": "2062-03-09"}]},
            "its 'freeze' begins on 2062-03-01, after 2026-04-23, the last day of a roll-out of this plan; " + LATER,
        ),
        (
            {**dated("2020-01-01"), "freeze": ["2021-01-01"]},
            f"its only date in 'forbid', 2020-01-01, {PAST}; its only date in 'freeze', 2021-01-01, {PAST}",
        ),
    ],
)
def test_a_rule_whose_dates_do_not_matter_has_its_reason(estate: Estate, rule: dict[str, Any], why: str) -> None:
    """A mistyped year protects nothing: the audit and the plan report it, each with the reason."""
    assert reasons(estate, rules_of(rule)) == {"rule 0": why}
    assert notes(estate, rules_of(rule)) == [f"rule 'rule 0' has no effect on this estate: {why}"]


def test_a_rule_whose_dates_do_not_matter_is_not_called_kept(estate: Estate) -> None:
    """The audit lists the rule with its reason."""
    found = audited(estate, dated("2020-01-01"))
    assert [idle.why for idle in found.idle_rules] == [f"its only date in 'forbid', 2020-01-01, {PAST}"]
    assert "today's schedule keeps" not in text_of(found)


@pytest.mark.parametrize(
    "rule",
    [
        dated("2026-02-23"),
        dated("2026-03-24"),
        {"forbid": [{"from": "22:00", "to": "06:00", "dates": ["2026-02-22"]}]},
        {"freeze": ["2026-02-22"]},
        {"freeze": ["2026-04-23"]},
        {"freeze": ["2020-01-01", "2026-03-01"]},
        {"allow": [{"from": "20:00", "to": "06:00", "dates": ["2020-01-01"]}]},
    ],
)
def test_dates_that_matter_are_no_finding(estate: Estate, rule: dict[str, Any]) -> None:
    """Dates at the ends of the period count, also of a window that reaches into it; ``allow`` is broken, not idle."""
    assert reasons(estate, rules_of(rule)) == {}
    assert notes(estate, rules_of(rule)) == []


def test_a_part_of_a_rule_that_has_no_effect_is_a_note(estate: Estate) -> None:
    """The rest of the rule acts, so the rule is not idle, but the past window and the past key are reported."""
    late = dated("2020-01-01")["forbid"]
    found = audited(estate, {"forbid": [*NOON["forbid"], *late]}, {**NOON, "freeze": ["2020-01-01"]})
    assert found.idle_rules == ()
    assert found.notes == (
        f"a part of rule 'rule 1' has no effect on this estate: its only date in 'freeze', 2020-01-01, {PAST}",
        f"window 2 of 'forbid' in rule 'rule 0': its only date in 'forbid', 2020-01-01, {PAST}",
    )


def test_a_rule_with_idle_sets_and_a_window_is_not_idle(estate: Estate) -> None:
    """Sets that never meet do not make the windows of the same rule idle."""
    rules = rules_of({**NOON, "order": [{"service": "erp"}, {"service": "epr"}]})
    assert reasons(estate, rules) == {}
    assert notes(estate, rules)[0] == (
        "a part of rule 'rule 0' has no effect on this estate: no two of its sets have VMs"
    )
