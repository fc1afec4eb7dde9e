"""The schedule that a plan is compared with: today's, a greedy one, or any that can be found."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.arrays import IntArray
from optimizer.solve.effort.clock import SolveClock
from optimizer.solve.effort.search_settings import Search
from optimizer.solve.exact.cpsat import SolveStatus
from optimizer.solve.problem.cost import is_feasible
from optimizer.solve.problem.instance import Instance
from optimizer.solve.search.reference import Fallback, Reference, find_reference
from optimizer.solve.search.solved import NotFound, Unsolvable
from tests.solve.small_instances import Row, Shape, apart, priced, same_start, small_instance


def found(instance: Instance, fallback: Fallback | None = None, effort: int = 10) -> Reference | Unsolvable | NotFound:
    """The reference of an instance, without a time limit."""
    return find_reference(instance, Search(effort=effort), SolveClock(None), fallback)


def never_asked() -> IntArray:
    """A fallback that must not be needed."""
    raise AssertionError("a schedule is easy to find")


def knows(options: list[int]) -> Fallback:
    """A fallback that returns a schedule."""
    return lambda: np.array(options)


def packed(num_vms: int, cap: int = 1) -> Instance:
    """VMs at 0 under a cap on windows of four half hours, in a day of only eight half hours: two fit exactly.

    Greedy puts the first VM at its cheapest start in the middle, after which no window is left for the second.
    """
    rows = [Row(range(num_vms), range(max(0, t - 3), t + 1), cap=cap) for t in range(8)]
    prices = {(v, t): abs(t - 2) for v in range(num_vms) for t in range(5)}
    allowed = dict.fromkeys(range(num_vms), range(5))
    return small_instance([0] * num_vms, priced(num_vms, prices), rows, allowed=allowed)


def test_today_is_the_reference_if_it_keeps_every_limit() -> None:
    """However bad it is."""
    instance = small_instance([4, 4], priced(2, {(0, 4): 9.0, (0, 9): 0.0}))
    answer = found(instance, never_asked)
    assert isinstance(answer, Reference)
    assert (answer.name, answer.options.tolist()) == ("today", [4, 4])


def test_a_greedy_schedule_is_the_reference_where_today_breaks_a_limit() -> None:
    """Two VMs at 4 under a cap of one: one of them goes to its next best start."""
    rows = [Row((0, 1), (4,), cap=1)]
    instance = small_instance([4, 4], priced(2, {(0, 4): 0.0, (1, 4): 0.0, (1, 9): 1.0}), rows)
    answer = found(instance, never_asked)
    assert isinstance(answer, Reference)
    assert (answer.name, answer.options.tolist()) == ("greedy", [4, 9])


def test_a_vm_without_an_allowed_start_has_no_schedule() -> None:
    """Nothing needs to be searched."""
    assert isinstance(found(small_instance([4, 4], allowed={0: []}), never_asked), Unsolvable)


def test_a_cap_that_is_too_small_by_counting_has_no_schedule() -> None:
    """Three windows of four half hours do not fit into eight, one at a time."""
    assert isinstance(found(packed(3), never_asked), Unsolvable)


def test_tight_windows_are_packed_by_cpsat() -> None:
    """Two windows fill the day exactly, which single moves do not find."""
    instance = packed(2)
    answer = found(instance)
    assert isinstance(answer, Reference)
    assert sorted(answer.options.tolist()) == [0, 4]
    assert answer.name == "greedy"


def test_the_fallback_proves_that_there_is_no_schedule() -> None:
    """Its proof is taken before CP-SAT is asked."""
    assert isinstance(found(_apart_in_one_place(), lambda: SolveStatus.INFEASIBLE), Unsolvable)


def test_without_a_fallback_cpsat_proves_it() -> None:
    """Two VMs that are kept apart have one start between them."""
    assert isinstance(found(_apart_in_one_place()), Unsolvable)


def _apart_in_one_place() -> Instance:
    shape = Shape(gates=apart(0, 1, 2, same_start()))
    return small_instance([4, 4], shape=shape, allowed={0: [9], 1: [9]})


def test_a_schedule_of_the_fallback_is_used_if_it_keeps_every_limit() -> None:
    """A swap in policies that are full: nothing but the known schedule, or CP-SAT, finds it."""
    policies = [(0, 4, (0,), True), (0, 9, (1,), True)]
    shape = Shape(policies=policies, per_new=1, per_old=1, room=(0,))
    instance = small_instance([4, 9], shape=shape, allowed={0: [9], 1: [4, 20]})
    known = np.array([9, 20])
    assert is_feasible(instance, known)
    answer = found(instance, lambda: known)
    assert isinstance(answer, Reference)
    assert is_feasible(instance, answer.options)
    useless = found(instance, lambda: np.array([4, 4]))
    assert isinstance(useless, Reference)
    assert is_feasible(instance, useless.options)


def test_sets_that_have_to_give_way_as_a_whole_are_placed_by_cpsat() -> None:
    """Three VMs that must be before another one, in two starts: single moves break the rule on the way."""
    clash = np.zeros((48, 48), dtype=np.bool_)
    clash[9, [4, 9]] = clash[4, 4] = True
    instance = small_instance(
        [9, 4],
        priced(2, {(0, 4): 5.0, (0, 9): 0.0, (1, 4): 0.0, (1, 9): 5.0}),
        shape=Shape(gates=apart(0, 1, 2, clash)),
        allowed={0: [4, 9], 1: [4, 9]},
    )
    answer = found(instance)
    assert isinstance(answer, Reference)
    assert answer.options.tolist() == [4, 9]


@pytest.mark.parametrize("most", [1, 2])
def test_the_limit_of_moves_is_kept(most: int) -> None:
    """Two of four VMs have to leave 4; with one move that is impossible."""
    rows = [Row(range(4), (4,), cap=2)]
    instance = small_instance([4] * 4, rows=rows, shape=Shape(max_moves=most))
    answer = found(instance)
    if most == 1:
        assert isinstance(answer, Unsolvable)
    else:
        assert isinstance(answer, Reference)
        assert is_feasible(instance, answer.options)


def test_pinned_vms_stay() -> None:
    """VM 0 is pinned under the cap, so VM 1 goes."""
    instance = small_instance([4, 4], rows=[Row((0, 1), (4,), cap=1)], shape=Shape(immovable=[0]))
    answer = found(instance, never_asked)
    assert isinstance(answer, Reference)
    assert answer.options[0] == 4 != answer.options[1]


def packed_behind_a_pin() -> Instance:
    """A pinned VM in the first four of 16 half hours, and three VMs that fill the rest, one at a time.

    The three begin at 0 as well. They are cheapest at 10, which is no start of the only packing: 4, 8 and 12.
    """
    rows = [Row(range(4), range(max(0, t - 3), t + 1), cap=1) for t in range(16)]
    prices = {(v, t): abs(t - 10) for v in range(4) for t in range(13)}
    return small_instance(
        [0] * 4, priced(4, prices), rows, Shape(immovable=[0]), allowed=dict.fromkeys(range(4), range(13))
    )


def test_a_pinned_vm_stays_where_a_capped_group_is_packed() -> None:
    """Single moves do not find the packing; CP-SAT does, and leaves the pinned VM where it is."""
    answer = found(packed_behind_a_pin())
    assert isinstance(answer, Reference)
    assert answer.options[0] == 0
    assert sorted(answer.options.tolist()) == [0, 4, 8, 12]


@pytest.mark.parametrize(
    ("said", "kind"), [(SolveStatus.INFEASIBLE, Unsolvable), (SolveStatus.UNKNOWN, Reference), (None, Reference)]
)
def test_only_a_proof_of_the_fallback_ends_the_search(said: SolveStatus | None, kind: type) -> None:
    """CP-SAT would find a schedule here, so an answer without one shows that it was not asked any more."""
    assert isinstance(found(packed_behind_a_pin(), lambda: said), kind)


def _gives_way_without_a_policy() -> Instance:
    """VM 0 has to leave 9, and VM 1 must not stay at 4 then; its cheapest other start is 20.

    The vault is full, and only 4, 9 and 10 have policies, so VM 1 starts at 9 or 10.
    """
    clash = np.zeros((48, 48), dtype=np.bool_)
    clash[9, :] = clash[4, 4] = True
    policies = [(0, 4, (1,), False), (0, 9, (0,), False), (0, 10, (), False)]
    prices = {(0, 4): 5.0, (0, 9): 0.0, (1, 4): 0.0, (1, 9): 5.0, (1, 10): 5.0, (1, 20): 1.0}
    shape = Shape(policies=policies, room=(0,), gates=apart(0, 1, 2, clash))
    return small_instance([9, 4], priced(2, prices), shape=shape, allowed={0: [4, 9], 1: [4, 9, 10, 20]})


@pytest.mark.parametrize("known", [[4, 9], [4, 10]])
def test_a_known_schedule_is_used_before_the_whole_model_is_solved(known: list[int]) -> None:
    """Placing the sets alone gives a schedule without room for its policy, so whichever schedule is known is taken."""
    answer = found(_gives_way_without_a_policy(), knows(known))
    assert isinstance(answer, Reference)
    assert (answer.name, answer.options.tolist()) == ("greedy", known)


def test_a_schedule_of_the_fallback_that_breaks_a_limit_is_ignored() -> None:
    """The known schedule has no policy at 20; the whole model finds one that keeps every limit."""
    instance = _gives_way_without_a_policy()
    assert not is_feasible(instance, np.array([4, 20]))
    answer = found(instance, knows([4, 20]))
    assert isinstance(answer, Reference)
    assert is_feasible(instance, answer.options)


def test_a_pinned_vm_keeps_its_start_against_a_set_that_gives_way() -> None:
    """VM 0 stays at 9 and shuts 9 for VM 1, which has to leave."""
    gates = apart(0, 1, 2, same_start())
    prices = {(1, 9): 0.0, (1, 20): 1.0, (0, 20): 0.0}
    instance = small_instance([9, 9], priced(2, prices), shape=Shape(gates=gates, immovable=[0]))
    answer = found(instance, never_asked)
    assert isinstance(answer, Reference)
    assert answer.options.tolist() == [9, 20]


def test_what_little_effort_does_not_find_is_not_said_to_be_impossible() -> None:
    """With a cap that only a clever packing keeps and no time, the answer is that nothing was found."""
    answer = find_reference(packed(2), Search(effort=1), SolveClock(0.0))
    assert not isinstance(answer, Unsolvable)
