"""Tables and sentences for each section of the page, in the form that its template expects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optimizer.documents import PlanDocument
from optimizer.plan import LimitPriceEntry
from optimizer.report.wording.before_after import OVERLAPS_EXPLAINED
from optimizer.report.wording.limit_prices import limits_sentences, limits_table
from optimizer.report.wording.moves import moves_sentences
from optimizer.report.wording.orders import orders_table
from optimizer.report.wording.proof import stopped_by
from optimizer.report.wording.rule_words import changed_settings
from optimizer.report.wording.together import together_table
from optimizer.report.wording.toward import toward_sentence, toward_table


def sections(plan: PlanDocument, limits: Sequence[LimitPriceEntry] | None) -> dict[str, Any]:
    """Tables and sentences, by the names that the template has for them.

    Parameters
    ----------
    plan
        The plan.
    limits
        The limits that bind. None: the page leaves them out.
    """
    toward, orders = plan.summary.toward, orders_table(plan.orders)
    return {
        "toward": None if toward is None else toward_table(toward),
        "toward_sentence": "" if toward is None else f"{toward_sentence(toward, plan.rules.max_moves)}.",
        "moves_sentences": [] if plan.moves_curve is None else moves_sentences(plan.moves_curve),
        "orders": orders,
        "order_note": orders.note[0].upper() + orders.note[1:] + ".",
        "overlaps_note": f"{OVERLAPS_EXPLAINED[0].upper()}{OVERLAPS_EXPLAINED[1:]}.",
        "together": together_table(plan.services_together),
        "limits": None if limits is None else limits_table(limits),
        "limits_sentences": limits_sentences(limits or ()),
        "settings": changed_settings(plan.rules),
        "stopped_by": stopped_by(plan.summary),
    }
