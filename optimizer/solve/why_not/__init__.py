"""Explains why there is no schedule, what would make one possible, and the cost of a binding limit."""
