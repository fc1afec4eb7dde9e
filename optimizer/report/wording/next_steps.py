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
    if outcome.pending:
        yield _resume(outcome, prepared)
    yield from _after_trouble(outcome)
    if outcome.done:
        yield from _after_rollback(prepared) if prepared.command == "rollback" else _after_apply(prepared)


def _resume(outcome: RunOutcome, prepared: Prepared) -> NextStep:
    """How to make the writes that wait for their time."""
    at, left = outcome.resume_at, len(outcome.pending)
    writes = "1 write is" if left == 1 else f"{plural(left, 'write')} are"
    when = f"the next one can be made at {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else "they can be made later"
    return NextStep(
        f"{writes} pending; {when}. Then run this command, or run it now with --wait HOURS to let it wait:",
        prepared.commands.resume(prepared.command),
    )


def _after_trouble(outcome: RunOutcome) -> Iterator[NextStep]:
    """Advice on writes that were given up; a person has to decide, so there is no command."""
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


def _after_apply(prepared: Prepared) -> Iterator[NextStep]:
    yield NextStep("to check the first backups at the new times:", prepared.commands.watch())
    yield NextStep("to undo these changes:", prepared.commands.rollback())


def _after_rollback(prepared: Prepared) -> Iterator[NextStep]:
    """How to delete the policies that the plan created, which a rollback leaves without VMs."""
    stay = _created_that_stay(prepared)
    if not stay:
        return
    names = ", ".join(stay[:_NAMED]) + (f" and {len(stay) - _NAMED} more" if len(stay) > _NAMED else "")
    policies, them = (f"{len(stay)} policies that the plan created stay", "them")
    if len(stay) == 1:
        policies, them = ("1 policy that the plan created stays", "it")
    yield NextStep(
        f"{policies}, without VMs: {names}. To delete {them}:",
        prepared.commands.rollback("--delete-created", resume=True),
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
