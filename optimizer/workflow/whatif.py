"""Use cases: plan an estate as it would be, and with other prices, and compare these plans with the present one."""

from optimizer.whatif import sensitivity, what_if

__all__ = ["sensitivity", "what_if"]
