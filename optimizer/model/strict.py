"""Base class of all documents that the program writes and reads."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict

UtcDatetime = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]
"""A time with a UTC offset, converted to UTC."""


class StrictModel(BaseModel):
    """A part of a document that is immutable and rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
