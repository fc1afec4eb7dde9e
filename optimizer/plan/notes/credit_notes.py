"""Notes on gains in risk that are not credited."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.documents import Expectation
from optimizer.model.arrays import BoolArray
from optimizer.model.inventory import Inventory
from optimizer.model.phrases import count_vms, counted, some_of
from optimizer.risk import Forecast, RiskTable

GAIN_WORTH_A_NOTE = 0.1
"""Gain in at-risk backups per 30 days from which a VM without credit is counted in a note."""


_SHOWN = 3
"""Maximum number of VMs that a note lists; the audit lists all of them."""


def notes_on_short_history(inventory: Inventory, table: RiskTable) -> list[str]:
    """Name the VMs whose own load history is too short, and state what that means for the figures.

    Parameters
    ----------
    inventory, table
        Inventory and risk table of one estate.
    """
    names = [inventory.vm(item).name for item, own in zip(inventory.items, table.own, strict=True) if not own]
    if not names:
        return []
    note = (
        f"{_named(names, 'has', 'have')} too little load history: risk is estimated from the load of all "
        "VMs, no gain in risk is counted, and no start is chosen that has a higher risk than today's"
    )
    return [note]


def notes_on_credit(inventory: Inventory, table: RiskTable, forecast: Forecast) -> list[str]:
    """State how many VMs are credited with no gain although the estate's busy hours repeat, and name some.

    Parameters
    ----------
    inventory, table, forecast
        Inventory, risk table and forecast of one estate.
    """
    without = _hopeful(table) & ~table.credited
    if not forecast.repetition.is_proven or not without.any():
        return []
    names = [inventory.vm(item).name for item, is_without in zip(inventory.items, without, strict=True) if is_without]
    note = (
        f"{_named(names, 'is', 'are')} credited with no gain in risk: on days held out of the history, the start that "
        f"looked best was no better than today's; {'it' if len(names) == 1 else 'they'} may move only to spread "
        f"{'its' if len(names) == 1 else 'their'} service"
    )
    return [note]


def notes_on_repetition(table: RiskTable, forecast: Forecast) -> list[str]:
    """Warn that the estate's busy hours do not repeat, or are not known to repeat.

    Parameters
    ----------
    table, forecast
        Risk table and forecast of one estate.
    """
    repetition = forecast.repetition
    hopeful = _hopeful(table)
    credited, num_hopeful = int((hopeful & table.credited).sum()), int(hopeful.sum())
    if not repetition.num_vms or repetition.is_proven or credited == num_hopeful:
        return []
    days = f"{repetition.num_days} days" if repetition.num_days != 1 else "1 day"
    why = (
        f"the {days} of load history are too few to tell whether the busy hours of VMs repeat"
        if repetition.p_value is None
        else f"the busy hours of VMs do not repeat from day to day, as far as {days} of load history can tell"
    )
    counted = (
        f"Gains in risk are counted only for {credited:,} of {num_hopeful:,} VMs. All others"
        if credited
        else "No gain in risk is counted. VMs"
    )
    note = (
        f"do not expect less risk from this estate's history: {why}. {counted} may move only to spread their service"
    )
    return [note]


def notes_on_chance(table: RiskTable, forecast: Forecast, expected: Expectation | None) -> list[str]:
    """Explain the expected change of an estate whose busy hours do not repeat.

    Parameters
    ----------
    table, forecast
        Risk table and forecast of one estate.
    expected
        Expected change of the plan; None if it is unknown.
    """
    repetition = forecast.repetition
    if expected is None or expected.value == 0 or repetition.p_value is None or repetition.is_proven:
        return []
    hopeful = _hopeful(table)
    credited = int((hopeful & table.credited).sum())
    if credited == int(hopeful.sum()):
        return []
    but = f"apart from the {counted(credited, 'VM', 'VMs')} whose gains are counted, " if credited else ""
    note = (
        f"{but}the expected change is due to chance: it is what the moves would have changed in these "
        f"{repetition.num_days:,} days. Where busy hours do not repeat, moves change the risk by 0 on average"
    )
    return [note]


def _hopeful(table: RiskTable) -> BoolArray:
    """VMs that seem to have a gain worth a note; shape (V,)."""
    return np.asarray(table.own & (table.today - table.risk.min(axis=1) > GAIN_WORTH_A_NOTE))


def _named(names: Sequence[str], one: str, many: str) -> str:
    """Number of VMs with the first names and a verb: ``4 VMs (a, b, c and 1 more) have``."""
    count = f"{count_vms(names)} ({some_of(names, _SHOWN)})"
    return f"{count} {one if len(names) == 1 else many}"
