"""Notes on rules about changes that have less, or more, effect than the planner may expect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from optimizer.documents import Change
from optimizer.model.inventory import Inventory
from optimizer.model.phrases import count_vms, some_of
from optimizer.model.rule_matches import matching_items
from optimizer.model.rule_windows import DateRange
from optimizer.model.rules import Rule, Rules
from optimizer.model.timegrid import MINUTES_PER_WEEK, ROLLOUT_DAYS, START_WINDOW_MINUTES, Recurrence

LAST_DAY = date(9998, 12, 31)
"""Last day that counts as finite: a freeze until this day never ends."""

RAISED_NAMED = 5
"""Maximum number of VMs that a note on raised limits lists, those with the largest increase first."""


def notes_on_rpo(inventory: Inventory, rules: Rules, movable: npt.NDArray[np.bool_]) -> list[str]:
    """Notes on rules whose ``rpo_hours`` some VMs cannot keep with their schedule, and the gap allowed instead.

    Parameters
    ----------
    inventory, rules
        The estate and its rules.
    movable
        Shape (V,): False for immovable VMs, to which no such gap applies.
    """
    notes = []
    for rule in rules.rule:
        if rule.rpo_hours is None:
            continue
        rows = np.flatnonzero(matching_items(inventory, rule) & movable).tolist()
        recurrences = [inventory.policy(inventory.items[row]).recurrence for row in rows]
        counts = Counter(
            (recurrence.least_rpo, _evenly_spaced(recurrence))
            for recurrence in recurrences
            if recurrence.least_rpo > rule.rpo_hours * 60
        )
        if counts:
            parts = "; ".join(_allowed_anyway(least, even, count) for (least, even), count in sorted(counts.items()))
            notes.append(f"rule {rule.name!r} asks for at most {rule.rpo_hours:g} h between recovery points; {parts}")
    return notes


def _evenly_spaced(recurrence: Recurrence) -> bool:
    return recurrence.widest_spacing * recurrence.runs_per_week == MINUTES_PER_WEEK


def _allowed_anyway(least_rpo: int, even: bool, count: int) -> str:
    """Gaps that the roll-out allows for some VMs, in words; ``least_rpo`` is in minutes."""
    vms, are, have, them = ("1 VM", "is", "has", "it") if count == 1 else (f"{count} VMs", "are", "have", "them")
    spacing = f"{(least_rpo - START_WINDOW_MINUTES) / 60:g} h"
    backups = f"{are} backed up every {spacing}" if even else f"{have} backups up to {spacing} apart"
    return f"{vms} {backups}, for {them} a change may leave {least_rpo / 60:g} h"


def notes_on_prices(rules: Rules) -> list[str]:
    """Notes on prices in the rules that do not apply as written."""
    prices = rules.prices
    if "move_recent" not in prices.model_fields_set or prices.move_recent >= prices.move:
        return []
    note = (
        f"prices.move_recent ({prices.move_recent:g}) is less than prices.move ({prices.move:g}): moving a VM again "
        f"costs {prices.move_again:g} too, because a VM that was moved lately must not be cheaper to move than others"
    )
    return [note]


def notes_on_raised_risk(inventory: Inventory, rules: Rules, raised: Mapping[int, float]) -> list[str]:
    """Notes on VMs whose default limit on the increase of risk is raised because of windows that the planner wrote.

    Parameters
    ----------
    inventory, rules
        The estate and its rules.
    raised
        Smallest increase of risk that the VM's windows allow, in at-risk backups per 30 days, by row of the VM.
    """
    if not raised:
        return []
    worst = sorted(raised, key=lambda row: (-raised[row], row))
    named = [f"{inventory.vm(inventory.items[row]).name} (+{raised[row]:.2f})" for row in worst]
    their = "its" if len(raised) == 1 else "their"
    note = (
        f"the windows of the rules leave {count_vms(raised)} only starts at which {their} risk grows by more than "
        f"{rules.max_risk_increase:g}, the default of max_risk_increase: {some_of(named, RAISED_NAMED)}; write "
        "max_risk_increase in the rules to enforce a limit"
    )
    return [note]


def notes_on_freeze(inventory: Inventory, rules: Rules, changes: Sequence[Change]) -> list[str]:
    """Notes on VMs whose changes no roll-out can write, because every day of its horizon is frozen for them.

    Days are counted from the day after the one on which the estate was read.

    Parameters
    ----------
    inventory, rules
        The estate and its rules.
    changes
        Changes of the plan.
    """
    begin = inventory.horizon.start.date()
    changed = _changed_items(inventory, changes)
    freezing = [rule for rule in rules.rule if any(days.last >= begin for days in rule.freeze)]
    notes = []
    for frozen_by, count in _frozen_alike(inventory, freezing, changed).items():
        names = [freezing[number].name for number in frozen_by]
        free = first_day_outside([days for number in frozen_by for days in freezing[number].freeze], begin)
        if free is None or (free - begin).days >= ROLLOUT_DAYS:
            notes.append(
                f"{_freezing(names)} every day of the {ROLLOUT_DAYS} from {begin} on for {count} of the "
                f"{int(changed.sum())} VMs that the plan changes: {_nothing_before(free)}"
            )
    return notes


def _frozen_alike(
    inventory: Inventory, freezing: Sequence[Rule], changed: npt.NDArray[np.bool_]
) -> Counter[tuple[int, ...]]:
    """Number of changed items that the same rules freeze, by the numbers of these rules."""
    frozen_by: dict[int, tuple[int, ...]] = {}
    for number, rule in enumerate(freezing):
        for row in np.flatnonzero(matching_items(inventory, rule) & changed).tolist():
            frozen_by[row] = (*frozen_by.get(row, ()), number)
    return Counter(frozen_by.values())


def _freezing(names: Sequence[str]) -> str:
    return f"rule {names[0]!r} freezes" if len(names) == 1 else f"rules {' and '.join(map(repr, names))} freeze"


def _nothing_before(free: date | None) -> str:
    """When writes can begin, given the first day without a freeze; the end of a note."""
    if free is None:
        return "nothing is ever written for them"
    return f"nothing is written for them before {free}, the first day that is free"


def _changed_items(inventory: Inventory, changes: Sequence[Change]) -> npt.NDArray[np.bool_]:
    """Items that move to another policy or whose policy is edited; shape (V,)."""
    moved = {change.vm for change in changes if change.kind == "reassign_item"}
    edited = {change.policy_id for change in changes if change.kind == "edit_policy"}
    return np.array([item.vm_id in moved or item.policy_id in edited for item in inventory.items], dtype=np.bool_)


def first_day_outside(ranges: Sequence[DateRange], begin: date) -> date | None:
    """First day from ``begin`` on that is in none of the ranges; None if there is no such day."""
    day = begin
    for dates in sorted(ranges, key=lambda dates: dates.first):
        if day in dates:
            if dates.last >= LAST_DAY:
                return None
            day = dates.last + timedelta(days=1)
    return day
