"""Base class of all documents that the program writes and reads."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A part of a document that is immutable and rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
