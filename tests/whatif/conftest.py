"""Planned estates that the questions are asked of."""

from __future__ import annotations

from tests.plan.conftest import arm, imported

__all__ = ["arm", "imported"]
