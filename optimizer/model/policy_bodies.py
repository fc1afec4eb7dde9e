"""Loads the table of policy bodies that Azure accepts; it is data only, and other modules interpret it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def policy_body_rows() -> tuple[Mapping[str, Any], ...]:
    """Rows of ``policy_bodies.toml``, unchanged; that file explains their keys."""
    text = files("optimizer.model").joinpath("policy_bodies.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["row"])
