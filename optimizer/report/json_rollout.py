"""Roll-outs as JSON, for pipelines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from optimizer.report.wording.next_steps import next_steps
from optimizer.report.wording.rules_in_force import rules_in_force

if TYPE_CHECKING:
    from optimizer.rollout import Prepared, Rehearsal, Rollout, RunOutcome


def rollout_content(rollout: Rollout) -> dict[str, Any]:
    """Calendar as JSON data: each write with its day and time, and the blocked writes."""
    return {
        "began": rollout.began.isoformat(),
        "days": rollout.num_days,
        "writes": [
            {
                **timed.write.summary(),
                "day": timed.day,
                "wave": timed.wave,
                "at": timed.at.isoformat(),
                "opens": timed.opens.isoformat(),
                "closes": timed.closes.isoformat(),
            }
            for timed in rollout.writes
        ],
        "blocked": [{**blocked.write.summary(), "reason": blocked.reason} for blocked in rollout.blocked],
        "notes": list(rollout.notes),
    }


def outcome_content(outcome: RunOutcome) -> dict[str, Any]:
    """Result of a run as JSON data."""
    return {
        "complete": outcome.complete,
        "done": list(outcome.done),
        "found_in_place": list(outcome.found),
        "failed": {str(number): outcome.reasons.get(number, "") for number in outcome.failed},
        "skipped": {str(number): outcome.reasons.get(number, "") for number in outcome.skipped},
        "pending": {str(number): reason for number, reason in outcome.pending.items()},
        "blocked": {str(blocked.write.number): blocked.reason for blocked in outcome.blocked},
        "broken": list(outcome.broken),
        "resume_at": outcome.resume_at.isoformat() if outcome.resume_at else None,
    }


def outcome_json(outcome: RunOutcome, prepared: Prepared) -> str:
    """Result of ``apply`` and ``rollback`` as JSON text."""
    steps = [{"what": step.what, "command": step.command or None} for step in next_steps(outcome, prepared)]
    content = {
        "plan_fingerprint": prepared.plan.fingerprint,
        "rules": list(rules_in_force(prepared.plan.rules)),
        "journal": str(prepared.journal_path),
        "remarks": list(prepared.remarks),
        **outcome_content(outcome),
        "next": steps,
    }
    return json.dumps(content, indent=1)


def rehearsal_json(rehearsal: Rehearsal) -> str:
    """Result of ``rehearse`` as JSON text."""
    back = rehearsal.rollback_outcome
    content = {
        "flawless": rehearsal.flawless,
        "rollout": rollout_content(rehearsal.rollout),
        "outcome": outcome_content(rehearsal.outcome),
        "states_checked": rehearsal.num_writes,
        "findings": list(rehearsal.findings),
        "end_differences": list(rehearsal.end_differences),
        "rollback": outcome_content(back) if back else None,
        "rollback_differences": list(rehearsal.rollback_differences),
        "watch": rehearsal.watch.model_dump(mode="json") if rehearsal.watch else None,
        "remarks": list(rehearsal.prepared.remarks),
    }
    return json.dumps(content, indent=1)
