"""Next steps after a run of ``apply`` or ``rollback``: sentences, each with its command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from optimizer.documents import CreatePolicy
from optimizer.report.formats import plural

if TYPE_CHECKING:
    from optimizer.rollout import Prepared, RunOutcome

_NAMED = 10
"""Maximum number of policies that a sentence lists."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """One thing to do next.

    Parameters
    ----------
    what
        What to do, in a sentence.
    command
        Command for it; empty without a command.
    """

    what: str
    command: str = ""


def next_steps(outcome: RunOutcome, prepared: Prepared) -> Iterator[NextStep]:
    """List what to do now, the most important step first."""
    commands, is_rollback = prepared.commands, prepared.command == "rollback"
    if outcome.pending:
        at = outcome.resume_at
        when = (
            f"the next one can be made at {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else "they can be made later"
        )
        left = "1 write is" if len(outcome.pending) == 1 else f"{plural(len(outcome.pending), 'write')} are"
        yield NextStep(
            f"{left} pending; {when}. Then run this command, or run it now with --wait HOURS to let it wait:",
            commands.resume(prepared.command),
        )
    if outcome.failed:
        yield NextStep(
            "fix what the failed writes report; to plan again what can still be moved, run 'pull' and then 'plan'"
        )
    if outcome.skipped:
        yield NextStep(
            "the skipped writes no longer fit what is in Azure; to plan these VMs again, run 'pull' and then 'plan'"
        )
    if outcome.blocked:
        yield NextStep("there is no time at which the blocked writes can be made; change the rule, then plan again")
    if outcome.done and not is_rollback:
        yield NextStep("to check the first backups at the new times:", commands.watch())
        yield NextStep("to undo these changes:", commands.rollback())
    if is_rollback and outcome.done and (stay := _created_that_stay(prepared)):
        names = ", ".join(stay[:_NAMED]) + (f" and {len(stay) - _NAMED} more" if len(stay) > _NAMED else "")
        one = len(stay) == 1
        count = "1 policy that the plan created stays" if one else f"{len(stay)} policies that the plan created stay"
        yield NextStep(
            f"{count}, without VMs: {names}. To delete {'it' if one else 'them'}:",
            commands.rollback("--delete-created", resume=True),
        )


def _created_that_stay(prepared: Prepared) -> list[str]:
    deleted = {write.object_id for write in prepared.writes if write.kind == "delete_policy"}
    return [
        change.policy
        for change in prepared.plan.changes
        if isinstance(change, CreatePolicy)
        and change.policy_id in prepared.inventory.policies
        and change.policy_id not in deleted
    ]
