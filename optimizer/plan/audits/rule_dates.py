"""Keys of a rule that have no effect because of their dates: a mistyped year would silently drop a protection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import numpy as np

from optimizer.model.inventory import Inventory
from optimizer.model.rule_matches import matching_items
from optimizer.model.rule_windows import DateRange, Window
from optimizer.model.rules import Rule
from optimizer.model.timegrid import (
    HORIZON_DAYS,
    MINUTES_PER_DAY,
    ROLLOUT_DAYS,
    resolve_zone,
)
from optimizer.model.window_options import windows_in_utc


def keys_without_effect(inventory: Inventory, rule: Rule) -> dict[str, str]:
    """Keys of a rule whose dates are all irrelevant for this plan, each with the reason.

    The dates of a ``forbid`` count within the 30 days of the horizon; those of a ``freeze`` count until the last day
    of a roll-out. ``allow`` is not included: without a window in the horizon it forbids every start, so today's
    schedule breaks it.
    """
    zones, why = _zones(inventory, rule), {}
    if rule.forbid and not any(_opens(window, zones, inventory) for window in rule.forbid):
        why["forbid"] = _why_never_open(rule.forbid, inventory)
    if rule.freeze and (outside := _why_frozen_outside(rule.freeze, zones, inventory)):
        why["freeze"] = outside
    return why


def _why_frozen_outside(freeze: Sequence[DateRange], zones: Sequence[str], inventory: Inventory) -> str:
    """Why no frozen day lies in a roll-out of this plan; empty if one does."""
    today = min(inventory.as_of.astimezone(resolve_zone(zone)).date() for zone in zones)
    last_day = inventory.horizon.start.date() + timedelta(days=ROLLOUT_DAYS - 1)
    if any(days.first <= last_day and today <= days.last for days in freeze):
        return ""
    firsts, lasts = [days.first for days in freeze], [days.last for days in freeze]
    return _why_outside("freeze", firsts, lasts, (today, last_day), "a roll-out of this plan")


def notes_on_dates(inventory: Inventory, rule: Rule) -> Iterator[str]:
    """Notes on windows of ``forbid`` that are past or never open, in a rule whose other windows have an effect."""
    zones = _zones(inventory, rule)
    if not any(_opens(window, zones, inventory) for window in rule.forbid):
        return
    begin = inventory.horizon.start.date()
    for number, window in enumerate(rule.forbid, start=1):
        begins = _begins(window)
        if not _opens(window, zones, inventory) and (not begins or max(begins) < begin):
            yield f"window {number} of 'forbid' in rule {rule.name!r}: {_why_never_open([window], inventory)}"


def _zones(inventory: Inventory, rule: Rule) -> list[str]:
    """Zones of the policies of the rule's VMs; UTC if the rule applies to no VM."""
    rows = np.flatnonzero(matching_items(inventory, rule)).tolist()
    return sorted({inventory.policy(inventory.items[row]).timezone for row in rows}) or ["UTC"]


def _opens(window: Window, zones: Sequence[str], inventory: Inventory) -> bool:
    """Whether a window can overlap a start window of the horizon, when read in any of these zones."""
    if window.recurs:
        return True
    longest = max((vault.timing.window_minutes for vault in inventory.vaults.values()), default=0)
    end = HORIZON_DAYS * MINUTES_PER_DAY + longest
    spans = [windows_in_utc([window], zone, inventory.horizon, HORIZON_DAYS) for zone in zones]
    return any(bool(((span[:, 1] > 0) & (span[:, 0] < end)).any()) for span in spans)


def _begins(window: Window) -> list[date]:
    return sorted(day for day in window.dates or () if window.begins_on(day))


def _why_never_open(windows: Sequence[Window], inventory: Inventory) -> str:
    begins = sorted(day for window in windows for day in _begins(window))
    if not begins:
        return "none of its 'dates' is on one of its 'days'"
    first = inventory.horizon.start.date()
    return _why_outside("forbid", begins, begins, (first, first + timedelta(days=HORIZON_DAYS - 1)), "this plan")


def _why_outside(key: str, firsts: Sequence[date], lasts: Sequence[date], period: tuple[date, date], of: str) -> str:
    """Reason why dates have no effect: all are past, all are later, or they lie on both sides of the period."""
    begin, end = period
    if max(lasts) < begin:
        last = max(lasts)
        which = (
            f"its only date in {key!r}, {last}," if len(set(lasts)) == 1 else f"the last date of its {key!r}, {last},"
        )
        return f"{which} is in the past; check the year"
    if min(firsts) > end:
        return (
            f"its {key!r} begins on {min(firsts)}, after {end}, the last day of {of}; the plan of that month will "
            "keep it"
        )
    return f"no date of its {key!r} lies between {begin} and {end}, the last day of {of}"
