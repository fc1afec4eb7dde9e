"""Use cases: plan a changed estate, or with other prices, and compare the plans with the present one."""

from optimizer.whatif import sensitivity, what_if

__all__ = ["sensitivity", "what_if"]
