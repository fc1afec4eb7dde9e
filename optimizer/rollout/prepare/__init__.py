"""Preparation of a run: every check that is possible before the first write."""
