"""What is said of one VM."""

from __future__ import annotations

import pytest

from optimizer.documents.explanation import CostParts, ExplainedOption, Explanation, ForbiddenOption
from optimizer.report.terminal.explanation import render_explanation
from optimizer.report.terminal.sheet import to_text

TODAY = ExplainedOption(
    start="02:00",
    start_utc="00:00",
    policy="weekly-sunday",
    risk=8.67,
    windows_met=3,
    overlaps_per_month=12.3,
    difference=CostParts(risk=6.17, overlap=0.12, policy=-0.1, move=-0.02),
)
PROPOSED = ExplainedOption(start="07:30", start_utc="05:30", risk=2.5, windows_met=1)
NEXT = ExplainedOption(
    start="07:00", start_utc="05:00", policy="p", risk=2.8, windows_met=1, difference=CostParts(risk=0.3)
)
ALLOWED = tuple(not 16 <= option < 36 for option in range(48))


def explanation(**changes: object) -> Explanation:
    """Explain a VM that moves from 02:00 to 07:30."""
    values: dict[str, object] = {
        "vm": "/subscriptions/s/virtualMachines/vm-023",
        "service": "billing",
        "vault": "vault-1",
        "frequency": "Weekly",
        "recurrence": "weekly on Sunday",
        "timezone": "W. Europe Standard Time",
        "reason": "It is busy around midnight.",
        "profile": tuple(float(abs(24 - option)) for option in range(48)),
        "allowed": ALLOWED,
        "today": TODAY,
        "proposed": PROPOSED,
        "alternatives": (NEXT,),
        "forbidden": (
            ForbiddenOption(
                start="11:30", risk=0.0, reasons=("rule 'nights' allows 20:00-08:00", "the vault is full")
            ),
        ),
        "history_days": 61.0,
        "notes": ("Moved 20 days ago.",),
    }
    return Explanation.model_validate(values | changes)


def test_a_move_is_told_from_headline_to_reasons() -> None:
    """Today, the plan, the next best with its price, and what forbids the better one."""
    text = to_text(render_explanation(explanation()))
    assert text.startswith("vm-023 moves from 02:00 to 07:30\n")
    assert "weekly-sunday → a new policy" in text
    assert "61 usable days" in text
    assert "Starting at 07:00 instead would cost 0.30 more" in text
    assert "rule 'nights' allows 20:00-08:00; the vault is full" in text
    assert "Moved 20 days ago." in text


def test_costs_are_split_and_signed() -> None:
    """Today's line shows each part of the difference and their sum."""
    line = next(line for line in to_text(render_explanation(explanation())).splitlines() if line.startswith(" today "))
    assert line.split()[1:] == ["02:00", "00:00", "8.67", "12.3", "+6.17", "+0.12", "0.00", "-0.10", "-0.02", "+6.17"]


def test_the_profile_marks_today_plan_and_what_is_not_allowed() -> None:
    """The marks stand under the half hours that they are for."""
    lines = to_text(render_explanation(explanation())).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("At-risk backups"))
    bars, marks = lines[at + 1][2:], lines[at + 2][2:].ljust(48)
    assert len(bars) == 48
    assert (marks[4], marks[15]) == ("T", "P")
    assert [mark == "x" for mark in marks] == [not allowed for allowed in ALLOWED]


def test_a_vm_that_stays_has_one_line_for_today_and_plan() -> None:
    """Nothing is said of a move that is none."""
    text = to_text(render_explanation(explanation(proposed=TODAY, alternatives=(), forbidden=(), notes=())))
    assert text.startswith("vm-023 stays at 02:00\n")
    assert "today, plan" in text
    assert "P plan" not in text
    assert "not allowed\n" not in text.split("What each start costs")[1]


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_it_fits_the_terminal_and_no_figure_is_cut(width: int, ascii_only: bool) -> None:
    """At 80 columns all eleven columns are whole."""
    text = to_text(render_explanation(explanation()), width, ascii_only=ascii_only)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for head in ("start", "UTC", "at risk", "overlap", "policy", "cost"):
        assert head in text


def test_an_option_that_would_help_alone_is_told_honestly() -> None:
    """Where the plan is not optimal VM by VM, the saving is stated."""
    better = NEXT.model_copy(update={"difference": CostParts(risk=-0.2)})
    assert "would save 0.20 for this VM alone" in to_text(render_explanation(explanation(alternatives=(better,))))
