"""How a plan depends on the prices, for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime

from optimizer.report.terminal.sensitivity import SHOWN, render_sensitivity
from optimizer.report.terminal.sheet import to_text
from optimizer.whatif import Figures, Noticed, PlanFigures, Sensitivity, VmStability
from optimizer.whatif.figures import CostTerms
from optimizer.whatif.sensitivity_document import PriceAnswer

COST = CostTerms(risk=1.0, overlap=2.0, vault_peak=0.5, working_hours=0.25, policy_writes=0.1, moves=0.05, total=3.9)
FIGURES = Figures(
    vms=30, at_risk_per_month=1.25, overlaps_per_month=2.0, working_hours_starts=3.0, peak_concurrency=2, moved=4,
    policies_written=1, cost=COST,
)  # fmt: skip
PLAN = PlanFigures(**FIGURES.model_dump(), bound=3.5, captured=0.9, reference="today", status="feasible")


def vm(number: int, *, must_move: bool = False, same: bool = True, changed: float = 0.0) -> VmStability:
    """Return what is known about a VM."""
    return VmStability(
        vm=f"vm-{number:02d}", service="shop", today="23:00", start="02:00",
        verdict="fixed" if same else "not decided", starts_possible=("02:00", "03:00"), must_move=must_move,
        same_at_all_prices=same, most_changed=changed,
    )  # fmt: skip


def answer(*vms: VmStability, plan: PlanFigures = PLAN) -> Sensitivity:
    """Return an answer with one other price."""
    price = PriceAnswer(
        price="move", factor=2.0, value=0.04, plan=plan, kept=FIGURES, vms_changed=7,
        noticed=Noticed(must=0, gain=2, lose=1),
    )  # fmt: skip
    return Sensitivity(
        as_of=datetime(2026, 2, 1, tzinfo=UTC), base=plan, worth_a_move=0.02, prices=(price,), tolerance=0.01,
        good_cost=3.94, options_allowed=200, options_ruled_out=50, vms=vms,
    )  # fmt: skip


def text_of(found: Sensitivity) -> str:
    """Text of the answer, 120 columns wide."""
    return to_text(render_sensitivity(found), 120)


def test_each_price_has_a_row_with_all_terms() -> None:
    """The base plan first; then the price, its value, the terms, and for how many VMs it matters."""
    lines = text_of(answer(vm(1))).splitlines()
    base, move = (next(line for line in lines if line.strip().startswith(name)) for name in ("base plan", "move "))
    terms = ["1.25", "1.00", "2.00", "0.50", "0.25", "0.10", "0.05", "3.90", "3.90", "4"]
    assert base.split() == ["base", "plan", *terms]
    assert move.split() == ["move", "0.04", *terms, "3", "of", "7"]


def test_vms_that_never_change_are_counted() -> None:
    """Those that start alike at all prices, and those that change for less than a move is worth."""
    vms = (vm(1), vm(2, same=False, changed=0.01), vm(3, same=False, changed=0.5))
    text = " ".join(text_of(answer(*vms)).split())
    assert "1 of 3 VMs start as in the base plan at all of these prices; 1 more start at another time" in text
    assert "never gain 0.02 or more" in text


def test_what_is_proven_has_its_limits() -> None:
    """The statement is about schedules within the limits of the plan; without limits, about every schedule."""
    text = " ".join(text_of(answer(vm(1), vm(2, same=False))).split())
    assert "Proven for every schedule that costs at most 1.0 % more than the optimum" in text
    assert "1 VM at the plan's start; not decided for 1" in text
    assert "25.0 % of the starts that the rules allow are ruled out" in text
    limited = PLAN.model_copy(update={"max_moves": 3})
    assert "every schedule with at most 3 moves that costs at most" in " ".join(
        text_of(answer(vm(1), plan=limited)).split()
    )


def test_vms_that_every_good_schedule_moves_are_listed() -> None:
    """At most ten, by name; none, no table."""
    text = text_of(answer(*(vm(number, must_move=True) for number in range(SHOWN + 2))))
    table = text.split("VMs that every good schedule moves")[1]
    assert "(10 of 12 shown)" in table.splitlines()[0]
    assert sum("23:00" in line for line in table.splitlines()) == SHOWN
    assert "VMs that every good schedule moves" not in text_of(answer(vm(1)))


def test_without_a_start_nothing_is_ruled_out() -> None:
    """An estate whose rules allow no start has no share to compute."""
    empty = answer(vm(1)).model_copy(update={"options_allowed": 0, "options_ruled_out": 0})
    assert "0 % of the starts" in " ".join(text_of(empty).split())
