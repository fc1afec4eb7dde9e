"""An explanation as it shows itself in a notebook."""

from __future__ import annotations

from optimizer.documents.explanation import CostParts, ExplainedOption, Explanation


def test_an_explanation_shows_itself() -> None:
    """The reason, and each option with its cost; names are text."""

    def option(start: str, risk: float, more: float) -> ExplainedOption:
        return ExplainedOption(
            start=start, start_utc=start, risk=risk, windows_met=2, difference=CostParts(risk=more / 2, move=more / 2)
        )

    explanation = Explanation(
        vm="/subscriptions/x/<vm>", service="shop", vault="vault-1", frequency="Weekly", recurrence="weekly on Sunday",
        timezone="UTC", reason="moves: less at risk", profile=(0.0,) * 48, allowed=(True,) * 48,
        today=option("23:00", 12.0, 3.0), proposed=option("04:00", 1.0, 0.0),
        alternatives=(option("05:00", 1.5, 0.25),),
        notes=("a note",),
    )  # fmt: skip
    shown = explanation._repr_html_()
    assert "<strong>&lt;vm&gt;, shop, weekly on Sunday</strong><p>Moves: less at risk.</p>" in shown
    right = ' style="text-align: right"'
    for name, start, risk, more in (("today", "23:00", "12.0", "3.00"), ("alternative 1", "05:00", "1.50", "0.25")):
        assert f"<td>{name}</td><td>{start}</td><td{right}>{risk}</td><td{right}>2</td><td{right}>{more}</td>" in shown
    assert "<summary>Notes (1)</summary>" in shown
