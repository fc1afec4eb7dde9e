"""Plans as version 1 of ``plan.json`` wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from optimizer.documents.fingerprint import fingerprint_of_content
from optimizer.documents.plan_document import PlanDocument

MADE_BY_VERSION_1 = Path(__file__).with_name("plan_of_version_1.json")
"""A plan that the program wrote when version 1 was current."""


def as_version_1(plan: PlanDocument) -> dict[str, Any]:
    """The content of a plan with the keys and the fingerprint that version 1 would have given it."""
    content: dict[str, Any] = json.loads(plan.model_dump_json())
    content["schema_version"] = 1
    content["summary"].pop("overlaps_per_month")
    content["summary"]["overlap_pair_slots"] = {"today": 20.0, "plan": 10.0}
    prices = content["rules"]["prices"]
    prices.pop("snapshot_overlap")
    prices.pop("all_at_once")
    prices["overlap"] = 0.02
    for point in (content.get("moves_curve") or {}).get("points", ()):
        point["overlap_pair_slots"] = point.pop("overlaps_per_month")
    return content | {"fingerprint": fingerprint_of_content(content)}


def write_version_1(plan: PlanDocument, path: Path) -> str:
    """Write a plan as version 1 did; its fingerprint."""
    content = as_version_1(plan)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return str(content["fingerprint"])
