"""Limits that bind in a plan, by name, and the saving from one more of each."""

from __future__ import annotations

from optimizer.model.arrays import IntArray
from optimizer.model.strict import StrictModel
from optimizer.plan.case import Case
from optimizer.solve import LimitKind


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


def limit_prices(
    case: Case, options: IntArray, seed: int, num_rounds: int | None = None
) -> tuple[LimitPriceEntry, ...]:
    """Saving from one more of each limit that binds in a schedule, with the names of vaults.

    Parameters
    ----------
    case
        Case of the estate and its rules.
    options
        Shape (V,): start option of each VM.
    seed, num_rounds
        Random seed, and amount of search for each limit. None: enough for most plans.
    """
    vaults = [vault.name for vault in case.inventory.vaults.values()]
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
        for price in case.problem.price_limits(options, num_rounds=num_rounds, seed=seed)
    )
