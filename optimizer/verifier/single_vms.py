"""Checks of single VMs: pins, windows of rules, Azure's grid of starts, and the limit on risk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optimizer.verifier.checked import TOLERANCE, Checked
from optimizer.verifier.window_clock import WindowClock


def check_single_vms(checked: Checked, clock: WindowClock) -> Iterator[str]:
    """Check pins, exclusions, windows, Azure's grid and the limit on risk."""
    for row, item in enumerate(checked.before.items):
        moves, option = checked.moves(row), checked.options[row]
        if moves and checked.must_stay(row):
            yield f"{item.vm_id}: moves although it must stay"
        for name in _windows_broken(checked, clock, row):
            yield f"{item.vm_id}: {checked.starts[row]} breaks rule {name!r}"
        if option not in checked.before.policy(item).recurrence.options(checked.today[row]):
            yield f"{item.vm_id}: Azure does not accept {checked.starts[row]}"
        if moves:
            yield from _check_risk(checked, clock, row)


def _windows_broken(checked: Checked, clock: WindowClock, row: int) -> list[str]:
    """Rules whose windows the start of a VM breaks; none if the VM may stay although it breaks them."""
    tolerated = checked.must_stay(row) or (checked.left is not None and not checked.moves(row))
    if tolerated:
        return []
    policy, option = checked.before.policy(checked.before.items[row]), checked.options[row]
    return [rule.name for rule in checked.rules_by_row[row] if not clock.fits(rule, policy, option)]


def _check_risk(checked: Checked, clock: WindowClock, row: int) -> Iterator[str]:
    most = _most_risk(checked, row, open_starts(checked, clock, row))
    if checked.risk[row, checked.options[row]] > most + TOLERANCE:
        increase = round(most - checked.risk[row, checked.today[row]], 6)
        yield f"{checked.before.items[row].vm_id}: its risk grows by more than {increase:g}"


def _most_risk(checked: Checked, row: int, open_starts: Sequence[int]) -> float:
    """Highest risk that one VM may have at a start, in at-risk backups per 30 days.

    If the planner did not write a limit and every open start exceeds the default one, the limit counts from the
    smallest risk among the open starts.
    """
    allowance = checked.rules.max_risk_increase if checked.own[row] else 0.0
    ceiling = float(checked.risk[row, checked.today[row]]) + allowance + 1e-9
    least = min((float(checked.risk[row, t]) for t in open_starts), default=ceiling)
    written = "max_risk_increase" in checked.rules.model_fields_set
    return ceiling if written or least <= ceiling else least + allowance + 1e-9


def open_starts(checked: Checked, clock: WindowClock, row: int) -> list[int]:
    """Options that pins, windows and Azure allow one VM, regardless of its risk there."""
    policy, rules = checked.before.policy(checked.before.items[row]), checked.rules_by_row[row]
    if checked.must_stay(row):
        return [policy.start]
    return [t for t in policy.recurrence.options(policy.start) if all(clock.fits(rule, policy, t) for rule in rules)]


def usable_options(checked: Checked, clock: WindowClock, row: int) -> list[int]:
    """Options that the rules and limits allow one VM."""
    options = open_starts(checked, clock, row)
    most = _most_risk(checked, row, options)
    return [t for t in options if checked.risk[row, t] <= most]
