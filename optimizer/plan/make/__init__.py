"""Conversion of a schedule to a verified plan."""
