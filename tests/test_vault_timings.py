"""Two vaults with different start delays and snapshot lengths: each VM is judged by the timing of its own vault."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from optimizer.errors import DataError
from optimizer.model.inventory import Inventory
from optimizer.model.occupancy import exact_overlaps, expected_overlaps, item_services, service_occupancy
from optimizer.model.rules import Rule, Rules
from optimizer.model.set_constraints import gates_between
from optimizer.model.snapshot_timing import SnapshotTiming
from optimizer.model.timegrid import Horizon, parse_start
from optimizer.model.window_options import options_allowed
from optimizer.model.working_hours import WorkingHours
from optimizer.risk.forecast import forecast_load
from optimizer.risk.table import snapshot_grid
from optimizer.rollout.calendar.write_windows import WriteWindows
from optimizer.solve import Problem, Search, Solved, find_schedule
from optimizer.verifier import Checked, Claims
from optimizer.verifier.verify import verify
from tests.model.timings import delays, with_timing
from tests.risk.sources import FIRST_DAY, make_days
from tests.rollout.small_rollouts import item_write
from tests.solve.examples import Problem as Example
from tests.solve.examples import flat_risk, inventory, only, policy

PROMPT = SnapshotTiming(10, delays(m0=1.0))
"""Backups of this vault start on time, and their snapshots take 10 minutes."""

AT_2000 = 40


def estate(*, services: tuple[str, str] = ("usual", "prompt")) -> Inventory:
    """Two VMs in a vault of the usual timing and two in a prompt one, all at 20:00."""
    policies = [policy("p", "slow", AT_2000), policy("q", "fast", AT_2000)]
    slow, fast = services
    made = inventory(policies, [(slow, "p"), (slow, "p"), (fast, "q"), (fast, "q")])
    return with_timing(made, PROMPT, "fast")


def test_overlaps_are_counted_by_the_timing_of_the_vault() -> None:
    """At the same time, prompt snapshots always overlap and usual ones in 23 %; half an hour apart, 0 and 17 %."""
    found = estate()
    assert item_services(found)[0] == ("prompt", "usual")
    assert expected_overlaps(found, np.array([40, 40, 40, 40])) == pytest.approx([30, 6.9])
    assert expected_overlaps(found, np.array([40, 41, 40, 41])) == pytest.approx([0, 30 * 0.1725])
    assert exact_overlaps(found, np.array([40, 41, 40, 41])) == pytest.approx(30 * 3 / 16)


def test_windows_and_caps_use_the_length_of_the_vaults_snapshots() -> None:
    """A snapshot of 45 minutes makes a window of 2 h 45 min, which touches six half hours instead of five."""
    found = with_timing(estate(), SnapshotTiming(45), "fast")
    _, occupancy = service_occupancy(found, np.array([40, 40, 40, 40]))
    assert [np.count_nonzero(row) // 7 for row in occupancy] == [6, 5]


def test_a_rule_between_sets_compares_windows_of_two_timings() -> None:
    """With 45 minutes in one vault only, the prompt set ends later than the other one begins, and not the reverse."""
    found = with_timing(estate(), SnapshotTiming(45), "fast")
    rules = Rules(rule=(Rule(name="apart", separate=({"service": "usual"}, {"service": "prompt"})),))
    gates = gates_between(found, rules, np.zeros(4, dtype=np.bool_))
    first = int(gates.vm_gate[gates.vm_begin[0]])
    clash = gates.clashes[gates.clash[gates.gate_begin[first]]]
    usual_first, prompt_first = (clash[40, 45], clash[40, 46]), (clash[45, 40], clash[46, 40])
    assert usual_first == (False, False)
    assert prompt_first == (True, False)


def test_a_rule_window_must_hold_the_whole_start_window_of_the_vault() -> None:
    """An allowed window of 2 h 15 min is enough for a snapshot of 15 minutes and too short for one of 45."""
    found = with_timing(estate(), SnapshotTiming(45), "fast")
    rule = only("20:00")
    allowed = [
        options_allowed(rule, found.pattern(one), one.timezone, found.horizon) for one in found.policies.values()
    ]
    assert [option.nonzero()[0].tolist() for option in allowed] == [[AT_2000], []]


def test_risk_is_that_of_the_delays_and_the_length_of_the_vault() -> None:
    """A guest that is busy from 20:00 to 20:10: a prompt backup at 20:00 always meets it, a usual one in 2 of 25."""
    found = estate()
    cpu = np.full((4, 14, 288), 5.0)
    cpu[:, :, 240:242] = 99.0
    cpu[:, 3, :] = 5.0
    horizon = Horizon(datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, 12, tzinfo=UTC) + timedelta(days=14))
    vm_ids = [item.vm_id for item in found.items]
    grid = snapshot_grid(found)
    forecast = forecast_load(make_days(cpu, vm_ids), vm_ids, horizon, Rules().threshold, grid=grid)
    assert forecast.folds is not None
    rates = forecast.folds.history.total_risk / forecast.folds.history.total_days
    assert rates[[0, 2], 40] == pytest.approx([2 / 25 * 13 / 14, 13 / 14])
    assert rates[[0, 2], 39] == pytest.approx([4 / 25 * 13 / 14, 0])


def test_working_hours_count_the_delays_of_the_vault() -> None:
    """A backup set to 07:30 starts after 08:00 in three of four cases, and never where backups start on time."""
    found, hours = estate(), WorkingHours()
    starts = [
        hours.starts(found.policy(item).recurrence, found.timing(item))[parse_start("07:30")] for item in found.items
    ]
    assert starts == pytest.approx([0.75 * 5 * 30 / 7] * 2 + [0, 0])


def example(found: Inventory) -> Example:
    """VMs that may start from 20:00 to 22:00, each later start at a little more risk."""
    risk = flat_risk(4)
    risk[:, AT_2000:] = 0.01 * np.arange(8)
    return Example(found, Rules(rule=(only("20:00", "20:30", "22:00"),)), risk)


def problem_of(made: Example) -> Problem:
    """The problem of an example."""
    return Problem.of(made.inventory, made.table, made.rules)


def test_the_search_spreads_each_service_by_its_own_timing() -> None:
    """Half an hour is enough where backups start on time; the other service needs the two hours."""
    made = example(estate())
    result = find_schedule(problem_of(made), Search(effort=5))
    assert isinstance(result, Solved)
    usual, prompt = sorted(result.options[:2].tolist()), sorted(result.options[2:].tolist())
    assert usual == [AT_2000, parse_start("22:00")]
    assert prompt == [AT_2000, parse_start("20:30")]
    assert result.is_optimal


def test_the_verifier_finds_the_same_cost_by_itself() -> None:
    """Cost and overlaps of today's schedule agree with the verifier's own loops, and those of one timing do not."""
    made = example(estate())
    problem, today = problem_of(made), np.full(4, AT_2000)
    cost = problem.cost(today)
    checked = Checked(
        before=made.inventory,
        after=made.inventory,
        rules=made.rules,
        risk=made.risk,
        credit=np.ones(4),
        own=np.ones(4, dtype=np.bool_),
        starts=("20:00",) * 4,
        changes=(),
    )
    claims = Claims(cost.total, 36.9, 0.0, 2, exact_overlaps=exact_overlaps(made.inventory, today))
    assert cost.overlaps == pytest.approx(36.9)
    assert verify(checked, claims) == []
    usual = with_timing(made.inventory, SnapshotTiming())
    assert any("expected overlaps" in fault for fault in verify(replace(checked, before=usual, after=usual), claims))


def test_writes_stay_clear_of_the_longer_snapshots() -> None:
    """After a backup at 20:00 with a snapshot of an hour, a write waits until 23:00 instead of 22:30."""
    found = with_timing(estate(), SnapshotTiming(60), "fast")
    windows = WriteWindows(found, Rules())
    day = datetime(2026, 3, 2, 20, tzinfo=UTC)
    writes = [replace(item_write("any", "20:00", "14:00"), vms=(vm,)) for vm in ("vm0", "vm2")]
    opens = [windows.windows(write, day, 1)[0][0] for write in writes]
    assert [(at.hour, at.minute) for at in opens] == [(22, 30), (23, 0)]


def test_a_service_in_vaults_of_two_timings_is_refused_at_one_door() -> None:
    """Overlaps of such a service cannot be priced exactly: problem and figures say so with the service's name."""
    found = estate(services=("shop", "shop"))
    with pytest.raises(DataError, match=r"service 'shop' .* give these vaults one timing"):
        expected_overlaps(found, np.full(4, AT_2000))
    with pytest.raises(DataError, match="service 'shop'"):
        example(found).instance()
