"""Tables and sentences of the page's sections."""

from __future__ import annotations

from optimizer.documents.toward_document import RuleToward, Toward
from optimizer.plan.explanations.limit_prices import LimitPriceEntry
from optimizer.report.page.sections import sections
from optimizer.solve.problem.limits import LimitKind
from tests.report.small_estate import make_inventory, make_plan, make_risk

INVENTORY = make_inventory(8)
PLAN = make_plan(INVENTORY, make_risk(INVENTORY))


def test_a_plain_plan_has_no_optional_sections() -> None:
    """No step toward the rules, no limits, no curve; tables of what it does not have are empty."""
    content = sections(PLAN, None)
    assert content["toward"] is content["limits"] is None
    assert content["toward_sentence"] == ""
    assert content["moves_sentences"] == content["settings"] == []
    assert content["orders"].cells == content["together"].cells == []
    assert content["stopped_by"] == "effort"


def test_notes_are_sentences_on_the_page() -> None:
    """The terminal sets the note below a title; the page has a paragraph."""
    note = sections(PLAN, None)["order_note"]
    assert note.startswith("Group: the service")
    assert note.endswith("limits the largest.")


def test_limits_that_were_asked_for_are_shown_even_if_none_binds() -> None:
    """Nothing to show is an answer, too."""
    none = sections(PLAN, [])
    assert none["limits"].cells == []
    assert none["limits_sentences"] == ["No limit binds: raising any of them by one allows nothing new."]
    price = LimitPriceEntry(
        name="in turns", kind=LimitKind.RULE, vault=None, was=3, to=4, saves=2.0, at_risk_change=0, overlaps_change=0
    )
    assert sections(PLAN, [price])["limits"].cells[0][0] == "in turns"


def test_a_first_step_has_its_rules_and_a_sentence() -> None:
    """The sentence ends with a period, because it is a paragraph here."""
    step = Toward(
        violations_today=5, violations_left=2, moves_needed=30, months=3, later=(),
        rules=(RuleToward(rule="nights", today=5, left=2),),
    )  # fmt: skip
    plan = PLAN.model_copy(update={"summary": PLAN.summary.model_copy(update={"toward": step})})
    content = sections(plan, None)
    assert content["toward"].cells == [("nights", "5", "2")]
    assert content["toward_sentence"].startswith("Today's schedule breaks rules for 5 VMs")
    assert content["toward_sentence"].endswith(".")


def test_settings_that_differ_are_listed() -> None:
    """Key, value and default."""
    plan = PLAN.model_copy(update={"rules": PLAN.rules.model_copy(update={"max_moves": 3})})
    assert sections(plan, None)["settings"] == [("max_moves", "3", "not set")]
