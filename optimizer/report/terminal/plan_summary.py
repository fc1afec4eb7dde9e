"""Summary of a plan for a terminal: figures before and after, what to expect, and what is proven."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from optimizer.documents import PlanDocument
from optimizer.report.formats import plural, short_id
from optimizer.report.terminal.sheet import Sheet
from optimizer.report.wording.before_after import before_and_after
from optimizer.report.wording.expected import expected_below_table
from optimizer.report.wording.moves import knee_sentence
from optimizer.report.wording.proof import captured_sentence, reference_sentence
from optimizer.report.wording.toward import toward_sentence, toward_table
from optimizer.report.wording.within_limits import within_limits


def summary_parts(plan: PlanDocument, sheet: Sheet) -> Iterator[RenderableType]:
    """Summary of a plan, for use in a report."""
    summary = plan.summary
    yield Text(_headline(plan), style="bold")
    yield Text(
        f"{plural(summary.policies_created, 'policy')} created, {summary.policies_edited:,} edited; "
        f"{plural(summary.reassigned, 'VM')} reassigned"
    )
    yield Text(f"fingerprint {plan.fingerprint}", style="dim")
    yield sheet.table(before_and_after(summary, sheet.dash))
    yield Text()
    yield Text(
        f"VMs with less risk: {summary.vms_helped:,}; with the same: {summary.vms_unharmed:,}; "
        f"with more: {summary.vms_harmed:,}{_largest_increase(plan)}"
    )
    yield from (Text(sentence) for sentence in (expected_below_table(summary), knee_sentence(plan)) if sentence)
    yield from _steps_or_proof(plan, sheet)


def _headline(plan: PlanDocument) -> str:
    summary = plan.summary
    if summary.moved:
        return f"{plural(summary.moved, 'VM')} of {summary.vms:,} move"
    return f"Nothing to change for {plural(summary.vms, 'VM')} {within_limits(plan.rules, summary.vms)}".rstrip()


def _largest_increase(plan: PlanDocument) -> str:
    worst = max(plan.schedule, key=lambda entry: entry.risk - entry.risk_today, default=None)
    if worst is None or plan.summary.vms_harmed == 0:
        return ""
    return f" (by at most {worst.risk - worst.risk_today:.4f}: {short_id(worst.vm)})"


def _steps_or_proof(plan: PlanDocument, sheet: Sheet) -> Iterator[RenderableType]:
    """Proven quality of a plan; for a first step toward the rules, the breaches that it leaves."""
    summary = plan.summary
    if summary.toward is not None:
        yield Text(toward_sentence(summary.toward, plan.rules.max_moves))
        yield sheet.table(toward_table(summary.toward))
        if summary.toward.violations_left:
            return
        yield Text()
    yield from (Text(sentence) for sentence in (captured_sentence(plan), reference_sentence(summary)) if sentence)
