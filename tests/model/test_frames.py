"""Data frames of the entries of documents."""

from __future__ import annotations

from typing import Annotated, Literal

import polars as pl
from pydantic import Field

from optimizer.model.frames import frame_of
from optimizer.model.strict import StrictModel


class Inner(StrictModel):
    """A document inside another."""

    value: int = 1


class Entry(StrictModel):
    """One field of each kind."""

    name: str
    state: Literal["on", "off"] | None
    count: int
    share: Annotated[float | None, Field(exclude_if=lambda share: share is None)] = None
    held: bool = False
    days: tuple[str, ...] = ()
    inner: Inner = Inner()
    several: tuple[Inner, ...] = ()


SCHEMA = {
    "name": pl.String(),
    "state": pl.String(),
    "count": pl.Int64(),
    "share": pl.Float64(),
    "held": pl.Boolean(),
    "days": pl.List(pl.String()),
}


def test_each_plain_field_is_a_column() -> None:
    """Values keep their types, missing ones are null, and documents inside are left out."""
    entries = [Entry(name="a", state=None, count=1), Entry(name="b", state="on", count=2, share=0.5, days=("Monday",))]
    frame = frame_of(entries, Entry)
    assert dict(frame.schema) == SCHEMA
    assert frame.rows() == [("a", None, 1, None, False, []), ("b", "on", 2, 0.5, False, ["Monday"])]


def test_no_entries_make_a_frame_with_the_same_columns() -> None:
    """Code that uses the columns works on an empty list as well."""
    assert dict(frame_of((), Entry).schema) == SCHEMA
    assert frame_of((), Entry).height == 0
