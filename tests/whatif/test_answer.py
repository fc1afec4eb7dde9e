"""What if: each kind of change on an estate whose answer is known, and what is never changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.documents.fingerprint import with_fingerprint
from optimizer.documents.plan_file import write_plan
from optimizer.errors import ConfigError
from optimizer.estate.folder import Estate
from optimizer.model.rule_windows import Window
from optimizer.model.rules import PolicyLimits, Prices, Rule, Rules
from optimizer.report.terminal.sheet import to_text
from optimizer.report.terminal.what_if import render_what_if
from optimizer.whatif.answer import what_if
from optimizer.whatif.document import ScenarioAnswer, WhatIf
from optimizer.whatif.scenario import Scenario
from optimizer.workflow import make_plan
from tests.plan.estates import imported_estate
from tests.plan.planned import Planned
from tests.prices import FIXED_PRICES
from tests.whatif.examples import everything, is_night, planner_of, tiny_estate

PLANNER = planner_of(3)
PAIR = [("web-1", "web", "vault-a", "nightly", "23:00"), ("web-2", "web", "vault-a", "nightly", "23:00")]
"""Two VMs that meet in 5 half hours: 5 x 0.02 and 0.01 for the vault; a move is 0.1 for a policy and 0.02."""


def ask(estate: Estate, *changes: str, rules: Rules | None = None) -> tuple[WhatIf, ScenarioAnswer]:
    """Ask one scenario of these changes; without rules at prices that the figures here are worked out with."""
    rules = rules if rules is not None else Rules(prices=FIXED_PRICES)
    answer = what_if(estate, [Scenario.parse(*changes)], rules, planner=PLANNER)
    return answer, answer.scenarios[0]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """Return the estate of the pair."""
    return tiny_estate(tmp_path_factory.mktemp("pair"), PAIR)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """Return an estate of one VM that is at 85 % CPU when it is backed up."""
    rows = [("erp-1", "erp", "vault-a", "nightly", "23:00")]
    return tiny_estate(tmp_path_factory.mktemp("busy"), rows, {"erp-1": 85.0})


@pytest.fixture(scope="module")
def two_vaults(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    """Return two vaults, in one a twin of one policy of the other; every VM is a service of its own."""
    rows = [
        ("a-1", "a1", "vault-a", "nightly", "23:00"),
        ("a-2", "a2", "vault-a", "nightly", "23:00"),
        ("a-3", "a3", "vault-a", "nightly-long", "23:00"),
        ("b-1", "b1", "vault-b", "every-night", "23:00"),
    ]
    return tiny_estate(tmp_path_factory.mktemp("two"), rows)


PLAIN = Rules(prices={**FIXED_PRICES, "snapshot_overlap": 0.1 / 6.9, "all_at_once": 0.0})
"""Two VMs that start together every day cost 0.1 however small their service is."""


def test_a_lower_threshold_needs_the_load_again(busy: Estate) -> None:
    """At 90 % the VM is fine; at 80 % most backups are at risk where it is, and none in the plan."""
    answer, one = ask(busy, "threshold.cpu_percent=80")
    assert (answer.base.at_risk_per_month, answer.base.moved) == (0.0, 0)
    assert one.kept.at_risk_per_month > 24
    assert one.plan is not None
    assert one.plan.at_risk_per_month < 1
    assert [(change.vm, change.base) for change in one.start_changes] == [("erp-1", "23:00")]
    assert not is_night(one.start_changes[0].scenario) or one.start_changes[0].scenario >= "03:00"
    assert one.start_changes[0].cost_change == pytest.approx(one.plan.cost.risk - one.kept.cost.risk)
    assert (one.noticed.must, one.noticed.gain, one.noticed.lose) == (0, 1, 0)
    assert one.optimum_change is not None
    assert one.optimum_change.low <= one.plan.cost.total - answer.base.cost.total <= one.optimum_change.high


def test_more_vms_like_one_are_spread(tmp_path: Path) -> None:
    """Three more of a service of one: kept at its start they make 6 pairs, and the plan opens two policies."""
    estate = tiny_estate(tmp_path, PAIR[:1])
    answer, one = ask(estate, "add-vms=service=web,count=3", rules=PLAIN)
    assert answer.base.cost.total == 0
    assert (one.kept.vms, one.kept.overlaps_per_month, one.kept.peak_concurrency) == (4, pytest.approx(6 * 6.9), 4)
    assert one.kept.cost.total == pytest.approx(0.6 + 0.03)
    assert one.plan is not None
    # Three starts, one of them for two VMs: two policies, two moves, one pair, one start above the fair share.
    assert one.plan.cost.total == pytest.approx(0.2 + 0.04 + 0.1 + 0.01)
    assert [(new.vm, new.like) for new in one.new_vms] == [(f"web-1-copy-{n}", "web-1") for n in (1, 2, 3)]
    assert one.policies_made == 0


def test_copies_of_vms_in_a_full_policy_get_a_twin(pair: Estate) -> None:
    """Where the policy is full a twin is made before any plan, not priced as a write, and a full vault is trouble."""
    rules = PLAIN.model_copy(update={"policies": PolicyLimits(max_vms_per_policy=2, max_policies_per_vault=2)})
    _, one = ask(pair, "add-vms=name=web-*,count=3", rules=rules)
    assert one.policies_made == 2
    assert one.kept.policies_written == 0
    assert sum(
        note.startswith("Warning: vault-a would have 3 policies, 1 more than its limit of 2") for note in one.notes
    )
    assert [new.vm for new in one.new_vms] == ["web-1-copy-1", "web-2-copy-1", "web-1-copy-2"]


def test_a_lost_vault_moves_its_vms_to_twins_at_their_starts(two_vaults: Estate) -> None:
    """Two VMs join the twin that is there, the third needs a policy of its own; nobody's start changes."""
    answer, one = ask(two_vaults, "lose-vault=VAULT-A")
    assert (one.vms_rehomed, one.policies_made) == (3, 1)
    assert one.plan is not None
    assert (one.plan.vms, one.start_changes, one.broken) == (4, (), ())
    # Four starts a day in one vault now, at one half hour: three above its fair share of one.
    assert answer.base.cost.total == pytest.approx(0.02)
    assert one.kept.cost.total == pytest.approx(0.03)
    _, named = ask(two_vaults, "lose-vault=vault-b,to=vault-a")
    assert (named.vms_rehomed, named.policies_made) == (1, 0)


def test_forbidden_nights_move_what_is_backed_up_at_night(busy: Estate) -> None:
    """The VM goes to a start whose window misses the nights, for a policy and a move."""
    answer, one = ask(busy, "forbid=2026-02-24..2026-03-02 20:00-06:00")
    assert answer.base.moved == 0
    assert one.broken == ("'forbid 2026-02-24..2026-03-02 20:00-06:00' for 1 VM",)
    assert one.plan is not None
    assert one.plan.cost.total == pytest.approx(0.12)
    assert not is_night(one.start_changes[0].scenario)
    # It gains nothing and loses nothing, but where it was it may not stay.
    assert (one.start_changes[0].must, one.start_changes[0].cost_change) == (True, pytest.approx(0.0))
    assert (one.noticed.must, one.noticed.gain, one.noticed.lose) == (1, 0, 0)
    with pytest.raises(ConfigError, match="these dates are not among the 30 days of the plan, 2026-02-23"):
        ask(busy, "forbid=2027-02-24..2027-03-02 20:00-06:00")


def test_a_dearer_overlap_parts_the_pair(pair: Estate) -> None:
    """At first meeting costs 0.11 and parting 0.12; at 0.05 for an overlap it is 0.355 and the pair parts."""
    answer, one = ask(pair, "prices.snapshot_overlap=0.05", rules=PLAIN)
    assert (answer.base.moved, answer.base.cost.total) == (0, pytest.approx(0.11))
    assert one.kept.cost.total == pytest.approx(0.05 * 6.9 + 0.01)
    assert one.plan is not None
    assert (one.plan.moved, one.plan.cost.total) == (1, pytest.approx(0.12))
    assert len(one.start_changes) == 1
    # Its half of what the pair cost: 6.9 overlaps at 0.05, and one start above the fair share.
    assert one.start_changes[0].cost_change == pytest.approx(-0.1775)
    assert (one.noticed.must, one.noticed.gain, one.noticed.lose) == (0, 1, 0)


@pytest.mark.thorough
def test_what_is_worth_no_move_is_noise(imported: Planned) -> None:
    """VMs for which a start elsewhere matters come first, and are those that must or change by the price of a move."""
    answer, one = ask(imported.estate, "prices.snapshot_overlap=0.03", "prices.move=0.5")
    assert answer.worth_a_move == 0.02  # of the rules that the base plan was made with
    matters = [change.must or abs(change.cost_change) >= 0.02 for change in one.start_changes]
    assert matters == sorted(matters, reverse=True)
    assert sum(matters) == one.noticed.must + one.noticed.gain + one.noticed.lose
    sizes = [abs(change.cost_change) for change in one.start_changes[: sum(matters)]]
    assert sizes == sorted(sizes, reverse=True)
    assert (
        ask(imported.estate, "max_moves=3", rules=Rules(prices={**FIXED_PRICES, "move": 0.0}))[0].worth_a_move
        == Prices().move
    )


def test_rules_are_added_and_dropped(busy: Estate) -> None:
    """A pin keeps the VM where it is at risk; without it the VM moves; put back, it stays."""
    pinned = Rules(threshold={"cpu_percent": 80}, rule=(Rule(name="erp stays", pin=True),))
    answer, one = ask(busy, "drop-rule=ERP stays", rules=pinned)
    assert answer.base.moved == 0
    assert one.plan is not None
    assert one.plan.moved == 1
    _, back = ask(busy, "drop-rule=erp stays", 'add-rule={ name = "all stay", pin = true }', rules=pinned)
    assert back.plan is not None
    assert back.plan.moved == 0
    with pytest.raises(ConfigError, match="there is no rule 'erp'; did you mean 'erp stays'"):
        ask(busy, "drop-rule=erp", rules=pinned)
    with pytest.raises(ConfigError, match="there is no rule 'erp'; there are no rules"):
        ask(busy, "drop-rule=erp")
    with pytest.raises(ConfigError, match="two rules are called 'erp stays'"):
        ask(busy, 'add-rule={ name = "erp stays", pin = true }', rules=pinned)


def test_rules_that_cannot_hold_are_an_answer(busy: Estate) -> None:
    """A scenario without a schedule names the rules in conflict, the ways out, and what the base plan breaks."""
    nights = Rules(rule=(Rule(name="erp at night", allow=(Window(start=20 * 60, end=6 * 60),)),))
    _, one = ask(busy, "forbid=2026-02-24..2026-03-02 20:00-06:00", rules=nights)
    assert one.plan is None
    assert one.optimum_change is None
    assert one.no_schedule is not None
    assert "'erp at night'" in one.no_schedule
    assert "cannot all hold for 1 VM: erp-1" in one.no_schedule
    assert any(way.startswith("drop 'erp at night': cost") for way in one.ways_out)
    assert one.start_changes == ()
    assert len(one.broken) == 1


NOTHING = [
    [],
    [f"prices.snapshot_overlap={Prices().snapshot_overlap}"],
    ["max_risk_increase=0.1", "threshold.statistic=average"],
    ['add-rule={ name = "x", pin = true }', "drop-rule=x"],
]


@pytest.mark.thorough
@settings(max_examples=5, deadline=None)
@given(st.sampled_from(NOTHING), st.sampled_from([None, 0, 3]), st.integers(0, 3))
def test_a_scenario_of_nothing_changes_nothing(imported: Planned, changes: list[str], moves: int, seed: int) -> None:
    """Changes that leave everything as it is answer with the base plan, whatever the rules and the seed."""
    rules = Rules(max_moves=moves)
    answer = what_if(imported.estate, [Scenario.parse(*changes)], rules, planner=planner_of(2, seed))
    (one,) = answer.scenarios
    assert one.plan == answer.base
    assert one.start_changes == one.new_vms == one.broken == one.notes == ()
    assert one.optimum_change is not None
    assert (one.optimum_change.low, one.optimum_change.high) == (0.0, 0.0)
    assert one.kept.cost.total == pytest.approx(answer.base.cost.total)


def test_nothing_is_written_and_the_answer_repeats(two_vaults: Estate) -> None:
    """The estate folder is as it was, and the same questions get the same answers."""
    before = everything(two_vaults.path)
    scenarios = [Scenario.parse("lose-vault=vault-a", "add-vms=vault=vault-b,count=5", "prices.move=0")]
    first = what_if(two_vaults, scenarios, planner=PLANNER)
    assert first == what_if(two_vaults, scenarios, planner=PLANNER)
    assert everything(two_vaults.path) == before
    assert first.scenarios[0].plan is not None
    assert first.scenarios[0].plan.vms == 9


@pytest.mark.thorough
def test_an_estate_of_azure_takes_every_change(arm: Planned) -> None:
    """Hourly policies, stopped and pending items, ARM ids: copies are made of what may be written, and verified."""
    answer, one = ask(arm.estate, "add-vms=count=20", "prices.snapshot_overlap=0.1")
    assert one.plan is not None
    assert one.plan.vms == answer.base.vms + 20
    assert not any("new-vm" in new.vm or "stopped" in new.vm for new in one.new_vms)
    assert len({new.vm for new in one.new_vms}) == 20
    assert all(new.vm.startswith(new.like) for new in one.new_vms)
    with pytest.raises(ConfigError, match="it selects no VM with a schedule; there is no service 'shp'; did you mean"):
        ask(arm.estate, "add-vms=service=shp,count=2")


@pytest.mark.thorough
def test_the_base_plan_is_only_left_for_a_reason(imported: Planned) -> None:
    """Under a limit that binds nowhere a VM starts elsewhere only where the longer search has found a cheaper plan."""
    answer, one = ask(imported.estate, "policies.max_policies_per_vault=150")
    assert one.plan is not None
    assert one.start_changes == () or one.plan.cost.total < answer.base.cost.total


@pytest.mark.thorough
def test_a_question_knows_the_moves_of_before(tmp_path: Path) -> None:
    """With a history that holds every VM, base and scenario price moves as recent ones: fewer move than without."""
    estate = imported_estate(tmp_path)
    plan = make_plan(estate, effort=2)
    day = estate.as_of.date()
    known = plan.settings.model_copy(update={"recently_moved": {entry.vm: day for entry in plan.schedule}})
    write_plan(with_fingerprint(plan.model_copy(update={"settings": known})), tmp_path / "old.json")
    asked = [Scenario.parse("prices.snapshot_overlap=0.0152")]
    free = what_if(estate, asked, planner=planner_of(2))
    held = what_if(estate, asked, planner=planner_of(2), history=[tmp_path / "old.json"])
    assert held.base.moved < free.base.moved
    before, after = free.scenarios[0].plan, held.scenarios[0].plan
    assert before is not None
    assert after is not None
    assert after.moved < before.moved


def test_proven_costs_name_the_limits_that_they_depend_on(pair: Estate) -> None:
    """Both plans may make one move, or only the new one is limited; without limits nothing is said."""
    limited = Rules(prices=FIXED_PRICES, max_moves=1)
    answer, one = ask(pair, "prices.move=0.01", rules=limited)
    assert (answer.base.max_moves, one.plan and one.plan.max_moves) == (1, 1)
    assert "Both minimum costs are proven for schedules with at most 1 move" in _text(answer)
    answer, one = ask(pair, "max_policy_writes=0")
    assert (answer.base.max_policy_writes, one.plan and one.plan.max_policy_writes) == (None, 0)
    text = _text(answer)
    assert "base plan is proven for schedules with any number of moves and policy writes" in text
    assert "new plan is proven for schedules with no policy writes" in text
    answer, _ = ask(pair, "prices.move=0.01")
    assert "proven for schedules" not in _text(answer)


def _text(answer: WhatIf) -> str:
    return " ".join(to_text(render_what_if(answer)).split())
