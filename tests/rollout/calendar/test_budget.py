"""Write budgets: how many writes Azure allows in a period."""

from __future__ import annotations

from datetime import timedelta

from optimizer.model.arm_id import ArmId
from optimizer.model.rules import PolicyLimits
from optimizer.rollout.calendar.budget import (
    BATCH_SECONDS,
    DAY_SECONDS,
    MOST_ITEMS_AT_ONCE,
    LedgerCounts,
    WriteBudget,
    WriteBudgets,
    shared_place,
)
from optimizer.rollout.calendar.spans import to_seconds
from tests.plan.estates import VAULT
from tests.rollout.small_rollouts import FOREIGN_VAULT, NOW, SECOND_VAULT

HERE, BESIDE, ELSEWHERE = ArmId(VAULT), ArmId(SECOND_VAULT), ArmId(FOREIGN_VAULT)


def test_a_budget_has_room_when_its_oldest_write_leaves_the_period() -> None:
    """Two writes in ten seconds: the third waits until the first is ten seconds old."""
    budget = WriteBudget((2, 10))
    assert budget.free_at(0) == 0
    for second in (7, 3):  # in any order
        budget.add(second)
    assert budget.free_at(8) == 13
    assert budget.free_at(20) == 20


def test_every_limit_of_a_budget_is_kept() -> None:
    """One write a second, and two in ten seconds."""
    budget = WriteBudget((1, 1), (2, 10))
    budget.add(5)
    assert budget.free_at(5) == 6
    budget.add(6)
    assert budget.free_at(6) == 15


def test_vaults_of_one_subscription_share_a_budget_if_it_counts_there() -> None:
    """Per vault, each vault has its own; the other subscription always has."""
    for scope, shared in (("subscription", True), ("vault", False)):
        budgets = WriteBudgets(1, scope, [(NOW, HERE)])
        begin = to_seconds(NOW)
        assert budgets.of_policies(HERE).free_at(begin) == begin + DAY_SECONDS
        assert (budgets.of_policies(BESIDE).free_at(begin) > begin) is shared
        assert budgets.of_policies(ELSEWHERE).free_at(begin) == begin
        assert (shared_place(HERE, scope) == shared_place(BESIDE, scope)) is shared


def test_assignments_are_counted_per_vault_and_hour() -> None:
    """With 199 assignments in an hour, the next one waits for the end of that hour."""
    begin = to_seconds(NOW)
    budgets = WriteBudgets(50, "vault", item_writes=[(NOW, HERE)] * MOST_ITEMS_AT_ONCE)
    assert budgets.of_items(HERE).free_at(begin) == begin + BATCH_SECONDS
    assert budgets.of_items(BESIDE).free_at(begin) == begin


def test_the_counts_of_the_ledger_use_the_budgets_up() -> None:
    """Policy writes count toward the limit of the rules, whatever their scope."""
    counts = LedgerCounts(policy_writes=[(NOW - timedelta(hours=1), HERE)], item_writes=[(NOW, HERE)])
    budgets = counts.budgets(PolicyLimits(max_writes_per_day=1))
    assert budgets.of_policies(HERE).free_at(to_seconds(NOW)) == to_seconds(NOW + timedelta(hours=23))
    assert LedgerCounts().budgets(PolicyLimits(max_writes_per_day=1)).of_policies(HERE).free_at(9) == 9


def test_a_closed_vault_reopens_one_second_after_its_closure() -> None:
    """The calendar never opens a vault before the executor does."""
    counts = LedgerCounts(closed_until={HERE: NOW})
    assert counts.reopens(HERE) == to_seconds(NOW) + 1
    assert counts.reopens(BESIDE) is None
