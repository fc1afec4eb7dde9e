"""Explains why there is no schedule, what would make one possible, and what a binding limit costs."""
