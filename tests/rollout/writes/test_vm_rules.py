"""Rules that keep single VMs from a start."""

from __future__ import annotations

from optimizer.model.rule_windows import Window
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import parse_start
from optimizer.rollout.writes.vm_rules import VmRules
from tests.plan.estates import standard_policy
from tests.rollout.azure_rollouts import with_items
from tests.rollout.small_rollouts import world

PLACES = {"a": "nightly", "pinned": "nightly", "waiting": "nightly"}
NIGHT = Rule(name="night", allow=(Window(start=20 * 60, end=6 * 60),))
PIN = Rule(name="stays", where=Selector(name="pinned"), pin=True)


def against(vm: str, start: str, *rules: Rule) -> str:
    """Why a VM must not start at a time."""
    given = with_items(
        world([standard_policy("nightly", "23:00")], PLACES, {}, Rules(rule=rules)),
        {"waiting": {"protectionState": "IRPending"}},
    )
    row = given.inventory.row_of_vm[next(one for one in given.inventory.row_of_vm if one.name == vm)]
    return VmRules(given.inventory, given.rules).against(row, parse_start(start))


def test_a_start_window_must_lie_within_the_allowed_hours() -> None:
    """A start at 02:00 ends by 04:15, one at 05:00 would end after the window."""
    assert against("a", "02:00", NIGHT) == ""
    assert against("a", "05:00", NIGHT) == "against rule 'night'"
    assert against("a", "05:00") == ""


def test_an_item_that_must_not_be_written_stays() -> None:
    """The reason is that of its state."""
    assert against("waiting", "02:00").startswith("must not be written: ")


def test_a_pinned_vm_stays() -> None:
    """The rule names itself; it holds for its own VMs only."""
    assert against("pinned", "02:00", PIN) == "rule 'stays' requires it to stay"
    assert against("a", "02:00", PIN) == ""
