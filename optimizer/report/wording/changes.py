"""Words for the writes of a plan or a journal."""

from __future__ import annotations

VERBS = {
    "create_policy": "create",
    "edit_policy": "edit",
    "reassign_item": "reassign",
    "delete_policy": "delete",
}
"""Verb for each kind of write, for people."""
