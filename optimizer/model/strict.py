"""What every document that is written or read has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A part of a document: it never changes, and a key that is not known is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)
