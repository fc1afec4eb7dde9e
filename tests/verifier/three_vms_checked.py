"""The plan of three VMs as the verifier sees it, with rules and starts of a test."""

from __future__ import annotations

from dataclasses import replace

from optimizer.model.rules import Rules
from optimizer.plan.make.case_writes import CaseWrites
from optimizer.plan.make.claims import claims_of, to_check
from optimizer.plan.make.summary import summary_of
from optimizer.verifier.checked import Checked, Claims
from tests.plan.three_vms import the_case, the_estate, the_plan

_DIFF = CaseWrites.of(the_estate(), the_case()).changes_to(the_plan().result.options)


def checked(rules: Rules | None = None, **starts: str) -> Checked:
    """The plan under other rules, with other starts stated for ``db``, ``web_1`` and ``web_2``."""
    stated = {"db": "23:00", "web_1": the_plan().plan.schedule[1].start, "web_2": "23:00"} | starts
    found = to_check(the_estate(), the_case(), list(stated.values()), _DIFF.changes)
    return found if rules is None else replace(found, rules=rules)


def claims() -> Claims:
    """The figures of the plan."""
    return claims_of(the_plan().result, summary_of(the_case(), the_plan().result, _DIFF, seed=0))
