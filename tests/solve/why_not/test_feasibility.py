"""Whether limits can hold together: what is remembered, what is blamed, and how much work is done."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.rules import Rule, Rules
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.breaches import broken_limits
from optimizer.solve.problem.limits import Limit, Limits
from optimizer.solve.why_not.feasibility import SHARE_PER_QUESTION, Budget, Feasibility, any_schedule
from tests.solve.examples import Problem, flat_risk, inventory, only, policy


def limits_of(rules: Rules, services: str = "aab", risk: np.ndarray | None = None) -> Limits:
    """VMs of services with one letter each, in one policy at 23:00."""
    found = inventory([policy("p", "v", 46)], [(service, "p") for service in services])
    problem = Problem(found, rules, flat_risk(len(services)) if risk is None else risk)
    return Limits(problem.instance(), problem.restrictions, problem.rules)


def kept_but(limits: Limits, *names: str) -> frozenset[Limit]:
    """All limits but some."""
    return frozenset(limit for limit in limits.all if limit.name not in names)


def names(limits: frozenset[Limit]) -> set[str]:
    """Names of limits."""
    return {limit.name for limit in limits}


CAP = Rule(name="cap", max_concurrent=1)
WINDOWS = (only("01:00"), Rule(name="late", where={"service": "a"}, allow=only("05:00").allow))


def test_today_is_the_answer_if_it_keeps_the_limits() -> None:
    """No VM has to move."""
    limits = limits_of(Rules(max_moves=0))
    answer = Feasibility(limits, Budget(10.0)).check(limits.all)
    assert answer.outcome is SolveStatus.FEASIBLE
    assert answer.options is not None and answer.options.tolist() == [46, 46, 46]


def test_vms_without_an_option_show_that_limits_contradict_each_other() -> None:
    """Both windows apply to the VMs of service a only; without one of them, all is well."""
    limits = limits_of(Rules(rule=WINDOWS))
    feasibility = Feasibility(limits, Budget(10.0))
    answer = feasibility.check(limits.all)
    assert answer.outcome is SolveStatus.INFEASIBLE
    assert answer.vms.tolist() == [0, 1]
    free = feasibility.check(kept_but(limits, "late"))
    assert free.options is not None and free.options.tolist() == [2, 2, 2]


def test_more_vms_have_to_move_than_may() -> None:
    """Shown without a search: the VMs that may not stay are the proof."""
    limits = limits_of(Rules(rule=(only("01:00"),), max_moves=2))
    budget = Budget(10.0)
    answer = Feasibility(limits, budget).check(limits.all)
    assert answer.outcome is SolveStatus.INFEASIBLE
    assert answer.vms.tolist() == [0, 1, 2]
    assert budget.work == 10.0


def test_a_cap_that_the_window_has_no_room_for() -> None:
    """Two windows at once, and one may be."""
    limits = limits_of(Rules(rule=(only("01:00"), Rule(name="cap", where={"service": "a"}, max_concurrent=1))))
    answer = Feasibility(limits, Budget(10.0)).check(limits.all)
    assert answer.outcome is SolveStatus.INFEASIBLE
    assert answer.vms.tolist() == [0, 1]


def test_a_cap_that_the_day_has_no_room_for_is_shown_by_counting() -> None:
    """Ten windows of five half hours do not fit into a day of 48, one at a time; no model is built."""
    limits = limits_of(Rules(rule=(Rule(name="cap", max_concurrent=1),)), "a" * 10)
    budget = Budget(10.0)
    assert Feasibility(limits, budget).check(limits.all).outcome is SolveStatus.INFEASIBLE
    assert budget.work == 10.0


def test_only_vms_in_the_way_are_moved() -> None:
    """The cap concerns service a, so the VM of service b stays."""
    limits = limits_of(Rules(rule=(Rule(name="cap", max_concurrent=1),)))
    answer = Feasibility(limits, Budget(10.0)).check(limits.all)
    assert answer.options is not None
    assert answer.options[2] == 46
    assert not broken_limits(limits, answer.options)


@pytest.mark.parametrize(
    ("rules", "outcome"),
    [((CAP,), SolveStatus.FEASIBLE), ((only("01:00"), CAP), SolveStatus.INFEASIBLE)],
    ids=["a cap that can hold", "a cap that cannot"],
)
def test_what_was_shown_is_not_asked_again(rules: tuple[Rule, ...], outcome: SolveStatus) -> None:
    """A smaller set of what can hold, and a larger set of what cannot, need no further work; others do."""
    limits = limits_of(Rules(rule=rules, max_moves=3), "aaa")
    budget = Budget(50.0)
    feasibility = Feasibility(limits, budget)
    first, then = frozenset(limits.all), kept_but(limits, "max_moves")
    if outcome is SolveStatus.INFEASIBLE:
        first, then = then, first
    assert feasibility.check(first).outcome is outcome
    assert budget.work < 50.0
    budget.work = 0.0
    assert feasibility.check(then).outcome is outcome
    assert Feasibility(limits, budget).check(then).outcome is SolveStatus.UNKNOWN


def test_without_work_a_question_that_needs_a_model_stays_open() -> None:
    """A cap of one for three VMs of a service is neither kept today nor refuted by counting."""
    limits = limits_of(Rules(rule=(Rule(name="cap", max_concurrent=1),)), "aaa")
    assert Feasibility(limits, Budget(0.0)).check(limits.all).outcome is SolveStatus.UNKNOWN
    assert Feasibility(limits, Budget(10.0, deadline=0.0)).check(limits.all).outcome is SolveStatus.UNKNOWN


def test_a_witness_answers_for_all_limits_that_it_keeps() -> None:
    """Today's schedule keeps the limit of moves but not the window."""
    limits = limits_of(Rules(rule=(only("01:00"),), max_moves=1))
    feasibility = Feasibility(limits, Budget(0.0))
    feasibility.witness(limits.instance.today)
    assert feasibility.check(kept_but(limits, "only 01:00")).outcome is SolveStatus.FEASIBLE
    assert names(feasibility.holding(frozenset([limits.moves]))) == names(kept_but(limits, "only 01:00"))
    assert feasibility.holding(frozenset(limits.all)) == frozenset(limits.all)


def test_a_core_has_only_limits_that_are_needed() -> None:
    """Of window, cap and moves, the first two suffice for the VMs of the service."""
    cap = Rule(name="cap", where={"service": "a"}, max_concurrent=1)
    limits = limits_of(Rules(rule=(only("01:00"), cap), max_moves=3))
    feasibility = Feasibility(limits, Budget(50.0))
    everything = frozenset(limits.all)
    answer = feasibility.check(everything)
    assert names(feasibility.core(everything, answer.vms)) == {"only 01:00", "cap"}


def test_limits_on_others_are_not_blamed() -> None:
    """The contradiction is at service a, and the rule on service b does not touch these VMs."""
    other = Rule(name="b early", where={"service": "b"}, allow=only("01:00").allow)
    limits = limits_of(
        Rules(rule=(WINDOWS[1], Rule(name="a early", where={"service": "a"}, allow=only("01:00").allow), other))
    )
    feasibility = Feasibility(limits, Budget(50.0))
    answer = feasibility.check(limits.all)
    assert names(feasibility.core(frozenset(limits.all), answer.vms)) == {"late", "a early"}


@pytest.mark.parametrize(
    ("dropped", "vms"), [((), [0, 1, 2]), (("b leaves",), [0, 1]), (("cap",), [2]), (("cap", "b leaves"), [])]
)
def test_vms_concerned_by_limits(dropped: tuple[str, ...], vms: list[int]) -> None:
    """VMs that share a cap, and VMs that may not stay."""
    leaves = Rule(name="b leaves", where={"service": "b"}, allow=only("01:00").allow)
    limits = limits_of(Rules(rule=(Rule(name="cap", max_concurrent=1), leaves)))
    assert Feasibility(limits, Budget(1.0)).concerned(kept_but(limits, *dropped)).tolist() == vms


def test_vms_behind_a_rule_between_sets_are_concerned() -> None:
    """Even if today keeps the rule."""
    apart = Rule(name="apart", separate=({"name": "vm0"}, {"name": "vm2"}))
    limits = limits_of(Rules(rule=(apart,)))
    assert Feasibility(limits, Budget(1.0)).concerned(limits.all).tolist() == [0, 2]


def test_parts_share_caps_or_rules() -> None:
    """Two services under caps of their own, joined by a rule between two of their VMs; a VM alone is in no part."""
    cap = Rule(name="cap", max_concurrent=1)
    limits = limits_of(Rules(rule=(cap,)), "aabbc")
    everybody = np.arange(5)
    feasibility = Feasibility(limits, Budget(1.0))
    assert [part.tolist() for part in feasibility.parts(limits.all, everybody)] == [[0, 1], [2, 3]]
    assert [part.tolist() for part in feasibility.parts(limits.all, np.array([0, 1, 4]))] == [[0, 1]]
    assert [*feasibility.parts([], everybody)] == []
    assert [*feasibility.parts(limits.all, everybody[:0])] == []
    apart = Rule(name="apart", separate=({"name": "vm1"}, {"name": "vm2"}))
    joined = limits_of(Rules(rule=(cap, apart)), "aabbc")
    assert [part.tolist() for part in Feasibility(joined, Budget(1.0)).parts(joined.all, everybody)] == [[0, 1, 2, 3]]


def test_by_how_much_a_limit_has_to_give_way() -> None:
    """Two VMs of one service in one window need a cap of two: one more; nobody is at an option that it forbids."""
    limits = limits_of(Rules(rule=(only("01:00"), Rule(name="cap", max_concurrent=1))), "aa")
    cap = next(limit for limit in limits.all if limit.name == "cap")
    least = Feasibility(limits, Budget(10.0)).least(kept_but(limits, "cap"), cap, "amount", np.arange(2))
    assert least is not None
    assert (least[0], least[1].tolist()) == (1, [])


def test_vms_that_a_rule_would_have_to_exempt() -> None:
    """VM 1, which has to start later, is the only one at a start that the window forbids."""
    late = Rule(name="late", where={"name": "vm1"}, allow=only("05:00").allow)
    limits = limits_of(Rules(rule=(late, only("01:00"))))
    window = next(limit for limit in limits.all if limit.name == "only 01:00")
    least = Feasibility(limits, Budget(10.0)).least(kept_but(limits, "only 01:00"), window, "vms", np.arange(3))
    assert least is not None
    assert (least[0], least[1].tolist()) == (1, [1])
    assert Feasibility(limits, Budget(0.0)).least(limits.all, window, "vms", np.arange(3)) is None


def test_any_schedule_of_a_search() -> None:
    """A schedule where there is one, a proof where there is none."""
    possible = limits_of(Rules(rule=(Rule(name="cap", max_concurrent=1),)))
    found = any_schedule(possible, Search(effort=50))
    assert isinstance(found, np.ndarray)
    assert not broken_limits(possible, found)
    assert any_schedule(limits_of(Rules(rule=WINDOWS)), Search(effort=50)) is SolveStatus.INFEASIBLE


class TestBudget:
    """Work and time that are left."""

    def test_a_question_may_take_a_share_of_the_whole(self) -> None:
        """The share stays the same while work is done."""
        budget = Budget(40.0)
        budget.work = 3.0
        assert budget.per_question == pytest.approx(40.0 * SHARE_PER_QUESTION)

    @pytest.mark.parametrize(("spent", "left"), [(2.0, 8.0), (5.0, 5.0), (7.0, 3.0)])
    def test_what_a_part_does_not_need_remains(self, spent: float, left: float) -> None:
        """Within a part of 5, the rest of 10 is put aside, and comes back afterwards."""
        budget = Budget(10.0)
        with budget.at_most(5.0):
            assert budget.work == 5.0
            budget.work -= spent
            assert budget.over is (spent >= 5.0)
        assert budget.work == pytest.approx(left)

    def test_a_part_larger_than_what_is_left_is_all_of_it(self) -> None:
        """Nothing is put aside, and what is put aside comes back if an error ends the part."""
        budget = Budget(2.0)
        with budget.at_most(5.0):
            assert budget.work == 2.0
        with pytest.raises(LookupError), budget.at_most(0.5):
            raise LookupError
        assert budget.work == 2.0

    def test_without_a_deadline_only_work_counts(self) -> None:
        """With a deadline in the past, nothing may be done."""
        assert Budget(1.0).seconds is None
        assert not Budget(1.0).over
        assert Budget(0.0).over
        late = Budget(1.0, deadline=0.0)
        assert late.over
        assert late.seconds is not None and late.seconds < 0
