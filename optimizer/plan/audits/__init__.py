"""Audit of today's schedule."""
