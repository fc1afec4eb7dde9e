"""Use cases: plan an estate as it would be, and with other prices, and compare these plans with the present one."""

from optimizer.whatif.sensitivity import sensitivity
from optimizer.whatif.what_if import what_if

__all__ = ["sensitivity", "what_if"]
