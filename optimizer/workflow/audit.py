"""Use case: audit today's schedule."""

from optimizer.plan import audit_case

__all__ = ["audit_case"]
