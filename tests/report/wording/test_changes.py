"""Words for writes."""

from __future__ import annotations

from typing import get_args

from optimizer.documents import CreatePolicy, EditPolicy, ReassignItem
from optimizer.report.wording.changes import VERBS
from optimizer.rollout.writes.write import WriteKind


def test_every_kind_of_write_has_a_verb() -> None:
    """Kinds of the roll-out and of plans, each with a verb of its own."""
    assert set(get_args(WriteKind)) == set(VERBS)
    kinds = {str(model.model_fields["kind"].default) for model in (CreatePolicy, EditPolicy, ReassignItem)}
    assert kinds <= set(VERBS)
    assert len(set(VERBS.values())) == len(VERBS)
