"""Notes on why the search ended, and on why a plan costs more than the cheapest schedule."""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.documents import WORTH_A_NOTE
from optimizer.model.rules import Prices, Rules
from optimizer.solve import Solved


def notes_on_search(rules: Rules, result: Solved, *, with_curve: bool) -> Iterator[str]:
    """Yield notes on the schedule of a result; ``with_curve``: whether the plan has a moves curve."""
    yield from notes_on_order(rules, result)
    yield from notes_on_spreading(rules.prices, result.spreading_costs, with_curve=with_curve)


def notes_on_order(rules: Rules, result: Solved) -> list[str]:
    """Explain that cheaper schedules have no order of writes, if the plan has one that costs more for this reason."""
    if result.stopped != "order":
        return []
    names = [repr(rule.name) for rule in rules.rule if rule.cap is not None or rule.separate or rule.order]
    between = f"{'rule' if len(names) == 1 else 'rules'} {', '.join(names)}" if names else "every limit"
    note = (
        f"the search found cheaper schedules, but no order of writes for them that keeps {between} after every single "
        "write; the plan is the cheapest schedule found that has such an order. The proven bound ignores the order of "
        f"writes, so the gap of {result.gap:.2f} may be impossible to close"
    )
    return [note]


def notes_on_spreading(prices: Prices, spreading_costs: float, *, with_curve: bool = False) -> list[str]:
    """State how much more a plan spends on spreading services than that saves in overlaps.

    Parameters
    ----------
    prices
        Prices of the rules.
    spreading_costs
        See :class:`optimizer.solve.search.solved.Solved`.
    with_curve
        Whether the plan has a moves curve.
    """
    if spreading_costs < WORTH_A_NOTE:
        return []
    note = (
        f"{spreading_costs:.2f} of the plan's cost is for spreading services, beyond what that saves in overlaps; "
        f"each of them costs less than prices.all_at_once ({prices.all_at_once:g}) to spread"
    )
    return [f"{note}; the gain by number of moves leaves this out" if with_curve else note]
