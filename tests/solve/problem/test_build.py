"""How an estate, its rules and its risk become the arrays of an instance: each term and limit by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from optimizer.model.inventory import Inventory, Vault
from optimizer.model.policy_limits import VmLimit
from optimizer.model.rules import PolicyLimits, Rule, Rules
from optimizer.solve.problem.build import build_instance, number_twin_keys, policies_of_keys
from optimizer.solve.problem.instance import NO_CAP, Instance, RowKind
from tests.prices import fixed_prices
from tests.solve.examples import DAILY, SUNDAYS, WORKDAYS, Problem, flat_risk, inventory, only, policy


def instance_of(
    found: Inventory, rules: Rules | None = None, risk: np.ndarray | None = None, **more: object
) -> Instance:
    """The instance of an estate, with prices that do not depend on the defaults."""
    made = Problem(found, rules or Rules(), flat_risk(len(found.items)) if risk is None else risk)
    return build_instance(found, made.table, made.rules, made.restrictions, **more)  # type: ignore[arg-type]


def rows_of(made: Instance, kind: RowKind) -> np.ndarray:
    """Indices of the rows of a kind."""
    return np.flatnonzero([one is kind for one in made.rows.kind])


def test_twin_keys_are_numbered_by_vault_and_recurrence() -> None:
    """Policies with the same days in the same vault are one key, whatever their start."""
    policies = [policy("a", "v", 4), policy("b", "v", 9), policy("c", "v", 4, SUNDAYS), policy("d", "w", 4)]
    found = inventory(policies, [("web", name) for name in "abcd"])
    numbers = number_twin_keys(found)
    assert [numbers[one.vault_id, one.twin_key] for one in policies] == [0, 0, 1, 2]
    made = instance_of(found)
    assert made.key.tolist() == [0, 0, 1, 2]
    assert made.key_vault.tolist() == [0, 0, 1]
    assert made.today.tolist() == [4, 9, 4, 4]


def test_vms_without_a_service_are_services_of_their_own() -> None:
    """Two VMs without a service share no row of a service."""
    found = inventory([policy("p", "v", 4)], [("", "p"), ("", "p"), ("web", "p"), ("web", "p")])
    made = instance_of(found)
    assert len(set(made.service.tolist())) == 3
    assert made.service[2] == made.service[3]
    assert set(made.rows.group[rows_of(made, RowKind.SERVICE)].tolist()) == {int(made.service[2])}


def test_linear_cost_is_risk_times_weight_and_days_plus_the_move() -> None:
    """Risk of a VM that weighs 2 counts twice, that of a weekly backup seven times; a move has its price."""
    found = inventory([policy("d", "v", 4), policy("w", "v", 4, SUNDAYS)], [("a", "d"), ("b", "d"), ("c", "w")])
    rules = Rules(rule=(Rule(name="important", where={"name": "vm1"}, weight=2.0),), prices=fixed_prices(move=0.25))
    made = instance_of(found, rules, flat_risk(3, 1.5))
    assert made.weight.tolist() == [1.0, 2.0, 1.0]
    assert made.risk_weight.tolist() == [1.0, 2.0, 7.0]
    assert made.linear[:, 4].tolist() == pytest.approx([1.5, 3.0, 10.5])
    assert made.linear[:, 5].tolist() == pytest.approx([1.75, 3.25, 10.75])
    assert made.risk[:, 5].tolist() == pytest.approx([1.5, 1.5, 1.5])


def test_only_starts_that_are_more_often_in_working_hours_cost() -> None:
    """From 23:00 to 10:00 costs; from 10:00 to 11:00 or to 23:00 costs nothing."""
    found = inventory([policy("night", "v", 46), policy("day", "v", 20)], [("a", "night"), ("b", "day")])
    made = instance_of(found, Rules(prices=fixed_prices(working_hours=0.5)))
    assert made.working_hours[0, 46] == 0.0
    assert made.working_hours[0, 20] > 0.0
    assert made.working_hours[1, [20, 22, 46]].tolist() == pytest.approx([0.0, 0.0, 0.0])
    assert made.linear[0, 20] == pytest.approx(made.working_hours[0, 20] + 0.02)


def test_ties_go_to_today_and_then_away_from_working_hours() -> None:
    """Today's start has rank 0, the start farthest from working hours rank 1, and noon a higher one."""
    made = instance_of(inventory([policy("p", "v", 46)], [("web", "p")]))
    assert made.tie_rank[0, 46] == 0
    others = np.delete(made.tie_rank[0], 46)
    assert others.min() == 1
    assert made.tie_rank[0, 24] == others.max() > 1


def test_recent_moves_cost_the_higher_price() -> None:
    """The price of a further move holds for VMs that were moved within the days of the rules."""
    found = inventory([policy("p", "v", 46)], [("a", "p"), ("b", "p"), ("c", "p")])
    prices = fixed_prices(move=0.1, move_recent=0.6)
    long_ago = found.as_of.date() - timedelta(days=prices.recent_days + 1)
    moved = {found.items[0].vm_id: found.as_of.date(), found.items[1].vm_id: long_ago}
    made = instance_of(found, Rules(prices=prices), recently_moved=moved)
    assert made.move_price.tolist() == pytest.approx([0.6, 0.1, 0.1])


@pytest.mark.parametrize(("most", "bound"), [(2, True), (3, False), (9, False)])
def test_a_limit_of_writes_that_cannot_bind_is_left_out(most: int, bound: bool) -> None:
    """Three VMs need at most three writes."""
    found = inventory([policy("p", "v", 46)], [("web", "p")] * 3)
    limits = instance_of(found, Rules(max_policy_writes=most)).write_limits
    assert [(one.name, one.keys, one.limit) for one in limits] == (
        [("max_policy_writes", (0,), most)] if bound else []
    )


def test_a_budget_of_days_limits_the_writes_of_each_vault_or_subscription() -> None:
    """Two days of one write a day: two writes in the vault of three VMs; the vault of one VM is not limited."""
    found = inventory([policy("p", "v", 46), policy("q", "w", 46)], [("web", "p")] * 3 + [("web", "q")])
    limits = PolicyLimits(max_writes_per_day=1, scope="vault")
    rules = Rules(budget_days=2, policies=limits)
    (one,) = instance_of(found, rules).write_limits
    assert (one.keys, one.limit) == ((0,), 2)
    assert one.name == "budget_days of vault 'v'"
    same = {vault: replace(of, subscription="s") for vault, of in found.vaults.items()}
    whole = rules.model_copy(update={"policies": limits.model_copy(update={"scope": "subscription"})})
    (both,) = instance_of(replace(found, vaults=same), whole).write_limits
    assert (both.keys, both.name) == ((0, 1), "budget_days of subscription 's'")


def test_a_vault_has_room_for_the_policies_that_it_does_not_hold() -> None:
    """A vault that holds two of two policies has no room, and one that holds more has none either."""
    found = inventory([policy("a", "v", 4), policy("b", "v", 9), policy("c", "w", 4)], [("web", "a"), ("web", "c")])
    for most, room in ((2, [0, 1]), (1, [0, 0]), (10, [8, 9])):
        rules = Rules(policies={"max_policies_per_vault": most})
        assert instance_of(found, rules).vault_room.tolist() == room


def test_caps_that_cannot_bind_make_no_rows() -> None:
    """Two VMs never exceed a cap of two; a cap of one makes rows with that cap for the service."""
    found = inventory([policy("p", "v", 46)], [("web", "p"), ("web", "p"), ("db", "p")])
    capped = [
        rows_of(instance_of(found, Rules(rule=(Rule(name="c", max_concurrent=n),))), RowKind.CAP) for n in (1, 2)
    ]
    assert [len(rows) > 0 for rows in capped] == [True, False]
    made = instance_of(found, Rules(rule=(Rule(name="c", max_concurrent=1),)))
    assert set(made.rows.cap[rows_of(made, RowKind.CAP)].tolist()) == {1}
    assert set(made.rows.cap[rows_of(made, RowKind.SERVICE)].tolist()) == {NO_CAP}
    assert set(made.cap_names) == {"c"}


def test_immovable_vms_raise_a_cap_that_they_exceed_where_they_stand() -> None:
    """Three VMs must stay at 23:00 under a cap of one: the cap is three there, and one elsewhere."""
    found = inventory([policy("p", "v", 46)], [("web", "p")] * 4)
    pinned = [Rule(name=f"pin {n}", where={"name": f"vm{n}"}, pin=True) for n in range(3)]
    made = instance_of(found, Rules(rule=(Rule(name="c", max_concurrent=1), *pinned)))
    rows, there = rows_of(made, RowKind.CAP), set(made.touched[made.vm_class[0], 46].tolist())
    assert {int(made.rows.cap[r]) for r in rows.tolist() if r in there} == {3}
    assert {int(made.rows.cap[r]) for r in rows.tolist() if r not in there} == {1}


@pytest.mark.parametrize(
    ("starts", "share"), [(("01:00",), 4), (("01:00", "05:00"), 2), (("01:00", "05:00", "09:00"), 2), ((), 1)]
)
def test_the_fair_share_spreads_the_starts_of_a_vault_over_its_half_hours(starts: tuple[str, ...], share: int) -> None:
    """Four daily starts in one, two, three or all half hours of the day."""
    found = inventory([policy("p", "v", 2)], [(f"s{n}", "p") for n in range(4)])
    made = instance_of(found, Rules(rule=(only(*starts),) if starts else ()))
    assert set(made.rows.fair_share[rows_of(made, RowKind.VAULT_STARTS)].tolist()) == {share}


def test_weekly_backups_count_a_seventh_in_the_fair_share() -> None:
    """Seven weekly VMs and one start: 7 starts a week, 7 half hours a week, so one each."""
    found = inventory([policy("p", "v", 2, SUNDAYS)], [(f"s{n}", "p") for n in range(7)])
    made = instance_of(found, Rules(rule=(only("01:00"),)))
    assert set(made.rows.fair_share[rows_of(made, RowKind.VAULT_STARTS)].tolist()) == {1}


def test_a_service_of_one_vm_has_no_rows() -> None:
    """Nothing overlaps with itself."""
    made = instance_of(inventory([policy("p", "v", 2)], [("a", "p"), ("b", "p")]))
    assert not len(rows_of(made, RowKind.SERVICE))


def test_rare_backups_meet_less_often() -> None:
    """The rows of a service of VMs that run three days a week stand for three seventh of the days."""
    weight = []
    for recurrence in (DAILY, WORKDAYS):
        made = instance_of(inventory([policy("p", "v", 2, recurrence)], [("web", "p")] * 2))
        overlaps = made.rows.overlaps[np.unique(made.touched[0, 2])[:-1]]
        weight.append(overlaps.sum())
    assert weight[1] == pytest.approx(weight[0] * 3 / 7)


class TestPoliciesOfKeys:
    """What each of today's policies can take, and whether it may be edited."""

    def found(self, **more: object) -> Inventory:
        """A policy of three VMs and one of one VM, with the same days."""
        policies = [policy("big", "v", 4, **more), policy("small", "v", 9)]  # type: ignore[arg-type]  # named by the caller
        return inventory(policies, [("web", "big")] * 3 + [("web", "small")])

    def test_a_policy_within_its_limit_takes_vms_and_may_be_edited(self) -> None:
        """Both count as existing, and their VMs take places."""
        found = self.found()
        movable = np.ones(4, dtype=np.bool_)
        existing, unknown, counted, policies = policies_of_keys(
            found, Rules(), VmLimit(3, 3), number_twin_keys(found), movable
        )
        assert {t: int(n) for t, n in enumerate(existing[0]) if n} == {4: 1, 9: 1}
        assert not unknown.any()
        assert counted.all()
        assert [(one.option, one.vms, one.editable) for one in policies] == [(4, (0, 1, 2), True), (9, (3,), True)]

    def test_a_policy_over_its_limit_takes_nobody_and_its_vms_are_not_counted(self) -> None:
        """Under a limit of two, the policy of three does not exist for others, and is moved VM by VM."""
        found = self.found()
        existing, _, counted, policies = policies_of_keys(
            found, Rules(), VmLimit(2, 2), number_twin_keys(found), np.ones(4, dtype=np.bool_)
        )
        assert {t: int(n) for t, n in enumerate(existing[0]) if n} == {9: 1}
        assert counted.tolist() == [False, False, False, True]
        assert [one.editable for one in policies] == [False, True]

    def test_items_that_nobody_plans_take_places_and_prevent_edits(self) -> None:
        """Azure reports five items in a policy of which three are known."""
        found = self.found(items_reported=5)
        existing, unknown, _, policies = policies_of_keys(
            found, Rules(), VmLimit(9, 9), number_twin_keys(found), np.ones(4, dtype=np.bool_)
        )
        assert (existing[0, 4], unknown[0, 4]) == (1, 2)
        assert [one.editable for one in policies] == [False, True]

    @pytest.mark.parametrize("pinned", [0, 3])
    def test_a_pinned_vm_prevents_the_edit_of_its_policy_only(self, pinned: int) -> None:
        """Without the pin, the policy could be edited."""
        found, movable = self.found(), np.arange(4) != pinned
        policies = policies_of_keys(found, Rules(), VmLimit(9, 9), number_twin_keys(found), movable)[3]
        assert [one.editable for one in policies] == [pinned != 0, pinned == 0]
        assert all(one.editable_unpinned for one in policies)

    def test_no_policy_is_edited_if_the_rules_forbid_edits(self) -> None:
        """Not even a small one whose VMs may all move."""
        found = self.found()
        policies = policies_of_keys(
            found, Rules(policies={"edit": False}), VmLimit(9, 9), number_twin_keys(found), np.ones(4, dtype=np.bool_)
        )[3]
        assert not any(one.editable or one.editable_unpinned for one in policies)

    def test_a_policy_without_vms_is_not_edited(self) -> None:
        """An empty policy takes VMs where it is, and stays."""
        found = inventory([policy("empty", "v", 4), policy("p", "v", 9)], [("web", "p")])
        existing, _, _, policies = policies_of_keys(
            found, Rules(), VmLimit(9, 9), number_twin_keys(found), np.ones(1, dtype=np.bool_)
        )
        assert existing[0, 4] == 1
        assert [one.editable for one in policies] == [False, True]


def test_an_estate_of_vaults_without_policies() -> None:
    """A vault that holds nothing has all its room and no key."""
    found = inventory([policy("p", "v", 4)], [("web", "p")])
    empty = Vault("w", "w")
    made = instance_of(replace(found, vaults={**found.vaults, empty.id: empty}), Rules())
    assert len(made.vault_room) == 2
    assert made.vault_room[1] == Rules().policies.max_policies_per_vault
    assert made.key_vault.tolist() == [0]
