"""Notes on gains in risk that are not believed, for planners."""

from __future__ import annotations

from optimizer.model.inventory import Inventory
from optimizer.risk.forecast import Forecast
from optimizer.risk.table import RiskTable

WORTH_A_NOTE = 0.1
"""Gain in at-risk backups per 30 days from which on a VM without credit is counted."""


_SHOWN = 3
"""VMs that a note names; the audit lists all of them."""


def notes_on_short_history(inventory: Inventory, table: RiskTable) -> list[str]:
    """Name the VMs whose own load says too little, and say what that means for the figures.

    Parameters
    ----------
    inventory, table
        Of one estate.
    """
    names = [inventory.vm(item).name for item, own in zip(inventory.items, table.own, strict=True) if not own]
    if not names:
        return []
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    count = "1 VM has" if len(names) == 1 else f"{len(names):,} VMs have"
    note = (
        f"{count} too little load history ({', '.join(names[:_SHOWN])}{more}): risk is estimated from the load of all "
        "VMs, no gain in risk is counted, and no start is chosen that has a higher risk than today's"
    )
    return [note]


def notes_on_credit(table: RiskTable, forecast: Forecast) -> list[str]:
    """Say how many VMs of an estate whose hours repeat are credited with no gain.

    Parameters
    ----------
    table, forecast
        Of an estate under some rules.
    """
    without, _ = _hopeful(table)
    if not forecast.repetition.is_proven or not without:
        return []
    note = (
        f"{'1 VM is' if without == 1 else f'{without:,} VMs are'} credited with no gain in risk: on days held out of "
        "the history, the start that looked best was no better than today's; they move only to spread their "
        "service"
    )
    return [note]


def notes_on_repetition(table: RiskTable, forecast: Forecast) -> list[str]:
    """Warn plainly of an estate whose busy hours do not repeat, or are not known to.

    Parameters
    ----------
    table, forecast
        Of an estate under some rules.
    """
    repetition = forecast.repetition
    without, credited = _hopeful(table)
    if not repetition.num_vms or repetition.is_proven or not without:
        return []
    days = f"{repetition.num_days} days" if repetition.num_days != 1 else "1 day"
    why = (
        f"the {days} of load history are too few to tell whether the busy hours of VMs repeat"
        if repetition.p_value is None
        else f"the busy hours of VMs do not repeat from day to day, as far as {days} of load history can tell"
    )
    counted = f"only for {credited:,} of {without + credited:,} VMs" if credited else "for no VM"
    note = (
        f"do not expect less risk from this estate's history: {why}. Gains in risk are counted {counted}; all others "
        "move only to spread their service"
    )
    return [note]


def _hopeful(table: RiskTable) -> tuple[int, int]:
    """Number of VMs that seem to have a gain worth a note: without and with credit."""
    hopeful = table.own & (table.today - table.risk.min(axis=1) > WORTH_A_NOTE)
    return int((hopeful & ~table.credited).sum()), int((hopeful & table.credited).sum())
