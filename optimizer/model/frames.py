"""Data frames of the entries of documents, with a column for each field."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optimizer.model.strict import StrictModel

if TYPE_CHECKING:  # a document may be read without ever becoming a data frame, and importing polars takes time
    import polars as pl


def frame_of(entries: Sequence[StrictModel], kind: type[StrictModel]) -> pl.DataFrame:
    """Data frame with one row per entry and one column per field of their class, whose docstring describes them.

    Fields that are documents themselves are left out. The columns have the same types whatever the entries contain,
    even if there are no entries.

    Parameters
    ----------
    entries
        Entries of a document.
    kind
        Class of the entries.
    """
    import polars as pl

    schema = {name: dtype for name, field in kind.model_fields.items() if (dtype := _dtype(field.annotation))}
    return pl.DataFrame({name: [_value(getattr(entry, name)) for entry in entries] for name in schema}, schema=schema)


def _dtype(annotation: Any) -> pl.DataType | None:
    """Type of a column; None for a field that is a document, or several of them."""
    import polars as pl

    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {typing.Union, types.UnionType}:
        return _dtype(next(argument for argument in arguments if argument is not type(None)))
    if origin is typing.Annotated:
        return _dtype(arguments[0])
    if origin is tuple:
        inner = _dtype(arguments[0])
        return None if inner is None else pl.List(inner)
    if origin is None and isinstance(annotation, type) and issubclass(annotation, StrictModel):
        return None
    return {bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64()}.get(annotation, pl.String())


def _value(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
