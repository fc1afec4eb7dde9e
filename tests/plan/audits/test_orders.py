"""Hours between the sets of a rule with ``order``, as audit and plan report them."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.model.clashes import Clashes
from optimizer.model.inventory import Inventory
from optimizer.model.rules import Rule, Rules
from optimizer.model.selectors import Selector
from optimizer.model.timegrid import parse_start
from optimizer.plan.audits.orders import order_gaps
from optimizer.report.wording.orders import orders_table
from tests.solve.examples import DAILY, SUNDAYS, inventory, policy

BERLIN = "W. Europe Standard Time"


def two(
    first: str = "15:00", second: str = "06:00", *, zone: str = "UTC", weekly: bool = False
) -> tuple[Inventory, np.ndarray]:
    """A database and its application in one service, and their starts."""
    policies = [
        policy("p0", "v", parse_start(first), DAILY, zone),
        policy("p1", "v", parse_start(second), SUNDAYS if weekly else DAILY),
    ]
    found = inventory(policies, [("shop", "p0"), ("shop", "p1")])
    return found, np.array([parse_start(first), parse_start(second)])


def rules(within: float | None = None) -> Rules:
    return Rules(rule=(Rule(name="db first", order=("vm0", "vm1"), per="service", within=within),))


def test_an_order_over_most_of_a_day_shows_its_hours() -> None:
    """15:00 comes before 06:00 of the next morning, and the report says that 12.75 hours lie between them."""
    found, starts = two()
    (gap,) = order_gaps(found, rules(), starts)
    assert (gap.group, gap.first, gap.second) == ("shop", '"vm0"', '"vm1"')
    assert (gap.ends, gap.begins, gap.hours, gap.holds) == ("17:15", "06:00", 12.75, True)


def test_a_limit_of_hours_tells_what_is_too_late() -> None:
    """With 'within' the same gap is too late, and the table says so."""
    found, starts = two()
    gaps = order_gaps(found, rules(within=6.0), starts)
    assert not gaps[0].holds
    assert orders_table(gaps, 10).cells[0][-3:] == ("12 h 45 min", "6 h", "too late")


def test_a_set_that_begins_too_early_has_negative_hours() -> None:
    """The application begins an hour and a quarter before the database has ended."""
    found, starts = two("21:00", "22:00")
    (gap,) = order_gaps(found, rules(), starts)
    assert (gap.hours, gap.holds) == (-1.25, False)
    assert orders_table((gap,), 10).cells[0][-3:] == ("-1 h 15 min", "none", "too early")


def test_both_ends_of_the_distance_are_shown() -> None:
    """22:00 in Berlin ends at 22:15 or 23:15 UTC: both distances to 23:30 are shown."""
    found, starts = two("22:00", "23:30", zone=BERLIN)
    (gap,) = order_gaps(found, rules(), starts)
    assert (gap.ends, gap.hours, gap.hours_most) == ("23:15", 0.25, 1.25)
    assert orders_table((gap,), 10).cells[0][5] == "15 min to 1 h 15 min"


def test_only_nights_with_both_are_compared() -> None:
    """A weekly application is compared on its own day; sets that never run in the same night have no gap."""
    found, starts = two("20:00", "23:00", weekly=True)
    (gap,) = order_gaps(found, rules(), starts)
    assert gap.hours == 0.75
    assert order_gaps(found, Rules(), starts) == ()


@pytest.mark.parametrize(("within", "verdict"), [(1.0, "too late"), (1.25, "")])
def test_within_limits_the_largest_distance(within: float, verdict: str) -> None:
    """The verdict of the table is the solver's and the verifier's: 15 min is in time, but 1 h 15 min is not."""
    found, starts = two("22:00", "23:30", zone=BERLIN)
    (gap,) = order_gaps(found, rules(within), starts)
    clashes = Clashes()
    first, second = (found.pattern(found.policy(item)) for item in found.items)
    clash = clashes.matrix(clashes.number("before", first, second, within))[starts[0], starts[1]]
    assert (gap.holds, orders_table((gap,), 10).cells[0][-1]) == (not clash, verdict)


def test_the_largest_distance_is_over_all_vms_of_both_sets() -> None:
    """From 20:15, when the first database has ended, to 23:00, when the last application begins."""
    hours = {18: "db", 19: "db", 22: "app", 23: "app"}
    found = inventory(
        [policy(f"p{hour}", vault, parse_start(f"{hour}:00")) for hour, vault in hours.items()],
        [("shop", f"p{hour}") for hour in hours],
    )
    starts = np.array([parse_start(f"{hour}:00") for hour in hours])
    rule = Rule(name="db first", order=(Selector(vault="db"), Selector(vault="app")), per="service", within=2.5)
    (gap,) = order_gaps(found, Rules(rule=(rule,)), starts)
    assert (gap.hours, gap.hours_most, gap.holds) == (0.75, 2.75, False)
