"""Strings and files out of what the core computed; never prints, never reads a clock, never calls Azure."""
