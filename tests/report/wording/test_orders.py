"""Table of rules with ``order``."""

from __future__ import annotations

import pytest

from optimizer.documents.audit_document import OrderGap
from optimizer.report.wording.orders import ORDER_NOTE, orders_table

GAP = OrderGap(
    rule="db first", group="shop", first='"db-*"', second='"app-*"', ends="03:15", begins="04:00", hours=0.75,
    hours_most=1.25, within=6.0,
)  # fmt: skip


def row(**changes: object) -> tuple[str, ...]:
    """Return the row of a gap."""
    (cells,) = orders_table([GAP.model_copy(update=changes)]).cells
    return tuple(cells)


def test_a_gap_has_both_sets_and_their_times() -> None:
    """Names without quotes, distance, limit, and nothing to complain about."""
    assert row() == ("shop", "db-*", "03:15", "app-*", "04:00", "45 min to 1 h 15 min", "6 h", "")


def test_without_a_group_the_rule_is_named() -> None:
    """A rule that orders all its VMs together has no group; ids are shortened."""
    assert row(group="")[0] == "db first"
    assert row(group="/subscriptions/s/vaults/weu-1")[0] == "weu-1"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hours": 0.0, "hours_most": 0.0}, ("0 min", "6 h", "")),
        ({"hours": 2.0, "hours_most": None}, ("2 h", "6 h", "")),
        ({"hours": -2.25, "hours_most": -2.25}, ("-2 h 15 min", "6 h", "too early")),
        ({"hours_most": 7.0}, ("45 min to 7 h", "6 h", "too late")),
        ({"hours_most": 7.0, "within": None}, ("45 min to 7 h", "none", "")),
    ],
    ids=["at once", "old plan", "early", "late", "no limit"],
)
def test_distance_limit_and_verdict(changes: dict[str, object], words: tuple[str, str, str]) -> None:
    """In hours and minutes; a limit is only broken if the rule sets one."""
    assert row(**changes)[5:] == words


def test_the_first_rows_are_shown() -> None:
    """All of them without a maximum."""
    assert len(orders_table([GAP] * 5, 2).cells) == 2
    assert len(orders_table([GAP] * 5).cells) == 5
    assert orders_table([GAP] * 5, 2).total == 5
    assert orders_table([]).note == ORDER_NOTE
