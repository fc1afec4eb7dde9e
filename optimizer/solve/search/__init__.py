"""Finds a good schedule of a problem and a bound that shows how good it is."""
