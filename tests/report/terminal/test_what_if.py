"""Answers to what-if questions, for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from optimizer.documents import WeightedTotals
from optimizer.report.terminal.sheet import to_text
from optimizer.report.terminal.what_if import SHOWN, render_what_if
from optimizer.whatif import Figures, NewVm, Noticed, PlanFigures, ScenarioAnswer, StartChange, WhatIf
from optimizer.whatif.document import Range
from optimizer.whatif.figures import CostTerms

COST = CostTerms(risk=1.0, overlap=2.0, vault_peak=0.5, working_hours=0.25, policy_writes=0.1, moves=0.05, total=3.9)
KEPT = Figures(
    vms=30, at_risk_per_month=1.25, overlaps_per_month=2.0, working_hours_starts=3.0, peak_concurrency=2, moved=4,
    policies_written=1, cost=COST,
)  # fmt: skip
BASE = PlanFigures(**KEPT.model_dump(), bound=3.5, captured=0.9, reference="today", status="feasible")
NEW = BASE.model_copy(update={"cost": COST.model_copy(update={"total": 2.9}), "bound": 2.5, "moved": 7})


def scenario(name: str = "prices.move=0.05", **changes: object) -> ScenarioAnswer:
    """Return the answer to a scenario that has a plan."""
    answer = ScenarioAnswer(
        name=name, changes=("prices.move=0.05",), notes=(), policies_made=0, vms_rehomed=0, plan=NEW, kept=KEPT,
        broken=(), no_schedule=None, optimum_change=Range(low=-1.4, high=-0.6), start_changes=(),
        noticed=Noticed(must=0, gain=0, lose=0), new_vms=(),
    )  # fmt: skip
    return answer.model_copy(update=changes)


def change(number: int, cost: float, *, must: bool = False) -> StartChange:
    """Return a VM that starts at another time."""
    return StartChange(
        vm=f"vm-{number:02d}", service="shop", today="23:00", base="22:00", scenario="02:00", cost_change=cost,
        must=must,
    )  # fmt: skip


def text_of(*scenarios: ScenarioAnswer, base: PlanFigures = BASE, width: int = 110) -> str:
    """Text of an answer."""
    answer = WhatIf(
        as_of=datetime(2026, 2, 1, tzinfo=UTC), base=base, worth_a_move=0.02, scenarios=scenarios or (scenario(),)
    )
    return to_text(render_what_if(answer), width)


def words_of(*scenarios: ScenarioAnswer, base: PlanFigures = BASE) -> str:
    """Text of an answer on one line."""
    return " ".join(text_of(*scenarios, base=base).split())


def test_a_line_has_base_kept_new_and_the_difference() -> None:
    """Whole numbers and figures, with signs where they differ."""
    lines = {" ".join(line.split()) for line in text_of().splitlines()}
    assert "VMs 30 30 30 0" in lines
    assert "VMs that move 4 4 7 +3" in lines
    assert "cost, in at-risk backups 3.90 3.90 2.90 -1.00" in lines
    assert "proven minimum cost 3.50 2.50 -1.00" in lines
    assert "gap: what any schedule could save at most 0.40 (10.3 %) 0.40 (13.8 %)" in lines


def test_weights_have_lines_if_any_vm_has_one() -> None:
    """A plan without weights shows its plain figures in these lines."""
    assert "weighted" not in text_of()
    totals = WeightedTotals(at_risk_per_month=5.0, overlaps_per_month=6.0)
    weighted = BASE.model_copy(update={"weighted": totals})
    lines = {" ".join(line.split()) for line in text_of(scenario(plan=weighted)).splitlines()}
    assert "at-risk backups, weighted by the rules 1.25 1.25 5.00 +3.75" in lines
    assert "overlapping snapshots, weighted by the rules 2.00 2.00 6.00 +4.00" in lines


def test_spreading_has_a_line_if_a_plan_spends_anything_on_it() -> None:
    """The gap and what is captured leave it out."""
    assert "spreads services" not in text_of()
    spread = NEW.model_copy(update={"spreading_costs": 0.3})
    assert "of which spreads services, not in the gap 0.00 0.30 +0.30" in words_of(scenario(plan=spread))
    base = BASE.model_copy(update={"spreading_costs": 0.3})
    without = scenario(plan=None, optimum_change=None, no_schedule="it cannot be")
    assert "of which spreads services, not in the gap 0.30" in words_of(without, base=base)


def test_a_base_plan_that_holds_is_compared_with_the_new_one() -> None:
    """What planning again saves, and how far the minimum cost changes."""
    words = words_of()
    assert "The base plan holds; planning again saves 1.00 at-risk backups per 30 days" in words
    assert "The minimum cost changes by -1.40 to -0.60, proven" in words
    assert words.endswith("No plan was written. To keep a change, put it into a rules file and plan with it.")


def test_a_base_plan_that_does_not_hold_says_what_it_breaks() -> None:
    """Then nothing is saved by planning again: it has to be planned."""
    words = words_of(scenario(broken=("'nights' for 2 VMs", "max_moves")))
    assert "The base plan does not hold: it breaks 'nights' for 2 VMs, max_moves" in words
    assert "planning again saves" not in words


def test_a_scenario_without_a_schedule_has_reasons_and_ways_out() -> None:
    """At most ten ways out; none is said, too. The columns of the new plan are missing."""
    ways = tuple(f"drop rule {number}" for number in range(SHOWN + 1))
    none = scenario(plan=None, optimum_change=None, no_schedule="two rules\ncannot hold", ways_out=ways)
    words = words_of(none)
    assert "No schedule keeps the rules of this scenario:" in words
    assert "What would make a schedule possible, the cheapest first: · drop rule 0" in words
    assert "drop rule 9" in words
    assert "drop rule 10" not in words
    assert "new - base" not in words
    assert "Nothing was found that would make a schedule possible." in words_of(
        none.model_copy(update={"ways_out": ()})
    )


@pytest.mark.parametrize(
    ("changes", "noticed", "words"),
    [
        ((), (0, 0, 0), "0 VMs of 30 start at another time than in the base plan"),
        ((change(1, -0.5),), (0, 1, 0), "1 VM of 30 starts at another time than in the base plan: 1 gain and 0 lose"),
        ((change(1, 0.0),), (0, 0, 0), "in the base plan: none gains or loses as much as 0.02"),
        ((change(1, 0.0, must=True),), (1, 0, 0), "in the base plan: 1 must"),
        (
            (change(1, 0.0, must=True), change(2, 0.001)),
            (1, 0, 0),
            "2 VMs of 30 start at another time than in the base plan: 1 must, none of the others gains or loses",
        ),
    ],
    ids=["none", "one", "noise", "must", "must and noise"],
)
def test_a_sentence_counts_the_starts_that_change(
    changes: tuple[StartChange, ...], noticed: tuple[int, int, int], words: str
) -> None:
    """How many, and for how many of them it matters."""
    must, gain, lose = noticed
    answer = scenario(start_changes=changes, noticed=Noticed(must=must, gain=gain, lose=lose))
    assert words in words_of(answer)


def test_changed_starts_are_listed_with_what_they_mean() -> None:
    """Ten rows; a column for those that must, if there are any."""
    many = tuple(change(number, 0.5) for number in range(SHOWN + 2))
    table = text_of(scenario(start_changes=many)).split("VMs that start at another time")[1]
    assert "(10 of 12 shown)" in table.splitlines()[0]
    assert "vm-00 shop 23:00 22:00 02:00 +0.50" in " ".join(table.split())
    assert "must: the scenario forbids" not in table
    one = text_of(scenario(start_changes=(change(1, 0.0, must=True),)))
    assert "vm-01 shop 23:00 22:00 02:00 0.00 yes" in " ".join(one.split())
    assert "must: the scenario forbids its start in the base plan" in " ".join(one.split())


def test_new_vms_are_listed_and_do_not_count_as_common() -> None:
    """The sentence is about VMs of both plans."""
    new = (NewVm(vm="/x/vm-1-copy-1", like="/x/vm-1", start="03:00"),)
    words = words_of(scenario(new_vms=new))
    assert "New VMs VM like start" in words
    assert "vm-1-copy-1 vm-1 03:00" in words
    assert "0 VMs of 29 start" in words


def test_several_scenarios_are_side_by_side() -> None:
    """The base plan first; a scenario without a plan has dashes. One scenario needs no overview."""
    none = scenario("no nights", plan=None, optimum_change=None, no_schedule="it cannot be")
    overview = text_of(scenario("cheap moves"), none).split("What if")[0]
    rows = [line.split() for line in overview.splitlines() if line.strip()]
    assert rows[-3][:3] == ["base", "plan", "30"]
    assert rows[-2][:3] == ["cheap", "moves", "30"]
    assert rows[-1] == ["no", "nights", "no", "schedule", *["—"] * 8]
    assert "Scenarios" not in text_of(scenario("cheap moves"))


def test_changes_that_are_in_the_name_are_not_repeated() -> None:
    """A scenario with a name of its own lists its changes; notes follow."""
    assert words_of().count("prices.move=0.05") == 1
    named = words_of(scenario("cheap moves", notes=("3 VMs are added",)))
    assert "What if cheap moves · prices.move=0.05 · 3 VMs are added" in named


def test_proven_minimum_costs_name_their_limits() -> None:
    """Both plans under one limit, or each under its own."""
    limited = {"max_moves": 3}
    both = words_of(scenario(plan=NEW.model_copy(update=limited)), base=BASE.model_copy(update=limited))
    assert "Both minimum costs are proven for schedules with at most 3 moves" in both
    only_new = words_of(scenario(plan=NEW.model_copy(update=limited)))
    assert "base plan is proven for schedules with any number of moves and policy writes" in only_new
    assert "new plan is proven for schedules with at most 3 moves" in only_new
    assert "proven for schedules" not in words_of()
