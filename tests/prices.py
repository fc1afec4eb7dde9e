"""Prices for tests whose figures are worked out by hand, so that they do not depend on the defaults."""

from __future__ import annotations

from optimizer.model.rules import Prices

FIXED_PRICES = {
    "snapshot_overlap": 0.0145,
    "all_at_once": 1.0,
    "vault_peak": 0.01,
    "working_hours": 0.0,
    "policy_write": 0.1,
    "move": 0.02,
}
"""Prices of a test: two snapshots of two daily VMs that start together cost 0.1, a policy 0.1 and a move 0.02."""


def fixed_prices(**changes: float) -> Prices:
    """The same with some others, as an object."""
    return Prices.model_validate(FIXED_PRICES | changes)
