"""Check of ``max_concurrent`` and ``separate = true``, by counting windows in each half hour of the week."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from optimizer.model.rules import Rule
from optimizer.verifier.checked import Checked
from optimizer.verifier.under_rules import counted_within
from optimizer.verifier.window_clock import WindowClock

Place = tuple[str, int]
"""Group in which a rule counts VMs, and a half hour of the week."""


def check_caps(checked: Checked, clock: WindowClock) -> Iterator[str]:
    """Check the caps of all rules; immovable VMs may overlap as today, but without other VMs."""
    for rule in checked.rules.rule:
        if rule.max_concurrent is not None or rule.separate is True:
            yield from _check_cap(checked, clock, rule)


def _check_cap(checked: Checked, clock: WindowClock, rule: Rule) -> Iterator[str]:
    """Check one cap; of a step of ``plan --toward``, that no excess of today grows."""
    most = 1 if rule.max_concurrent is None else rule.max_concurrent
    rows = [row for row, rules in enumerate(checked.rules_by_row) if rule in rules]
    met = _windows(checked, clock, rule, rows, checked.options)
    immovable = _windows(checked, clock, rule, filter(checked.must_stay, rows), checked.options)
    today = Counter[Place]() if checked.left is None else _windows(checked, clock, rule, rows, checked.today)
    too_many = [count for place, count in met.items() if count > max(most, immovable[place], today[place])]
    if too_many:
        allowed = "against 'separate'" if rule.separate is True else f"allowed are {most}"
        yield f"rule {rule.name!r}: {max(too_many)} windows meet, {allowed}"


def _windows(
    checked: Checked, clock: WindowClock, rule: Rule, rows: Iterable[int], starts: Sequence[int]
) -> Counter[Place]:
    """Number of windows of some VMs in each half hour, by the group in which the rule counts them."""
    windows: Counter[Place] = Counter()
    for row in rows:
        item = checked.before.items[row]
        group = counted_within(rule, checked.before, item)
        windows.update((group, moment) for moment in clock.half_hours(checked.before.policy(item), starts[row]))
    return windows
