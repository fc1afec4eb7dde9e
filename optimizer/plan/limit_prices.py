"""Limits that bind in a plan, by name, and what one more of each would save."""

from __future__ import annotations

from collections.abc import Iterable

from optimizer.model.inventory import Inventory
from optimizer.model.strict import StrictModel
from optimizer.solve.limits import LimitKind
from optimizer.solve.why_not.shadow import LimitPrice


class LimitPriceEntry(StrictModel):
    """A limit that binds.

    Parameters
    ----------
    name, kind
        The rule as the planner wrote it, or the limit.
    vault
        Of a limit of policies per vault: the vault that is given one more policy.
    was, to
        The limit, and with one more; of a vault: policies that it may still be given.
    saves
        Cost per 30 days, in at-risk backups: the best improvement that was found; 0 where there was none.
    at_risk_change, overlaps_change
        By how much at-risk backups and expected overlapping snapshots change per 30 days then; below 0 they fall.
    """

    name: str
    kind: LimitKind
    vault: str | None
    was: float
    to: float
    saves: float
    at_risk_change: float
    overlaps_change: float


def name_prices(inventory: Inventory, prices: Iterable[LimitPrice]) -> tuple[LimitPriceEntry, ...]:
    """Replace the numbers of vaults by their names."""
    vaults = [vault.name for vault in inventory.vaults.values()]
    return tuple(
        LimitPriceEntry(
            name=price.limit.name,
            kind=price.limit.kind,
            vault=None if price.vault is None else vaults[price.vault],
            was=price.was,
            to=price.to,
            saves=round(price.saves, 6),
            at_risk_change=round(price.at_risk_change, 6) + 0.0,
            overlaps_change=round(price.overlaps_change, 6) + 0.0,
        )
        for price in prices
    )
