"""The table of what Azure accepts in the body of a policy: data only, which others interpret."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def policy_body_rows() -> tuple[Mapping[str, Any], ...]:
    """Rows of ``policy_bodies.toml`` as they stand there; the file explains their keys."""
    text = files("optimizer.model").joinpath("policy_bodies.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["row"])
