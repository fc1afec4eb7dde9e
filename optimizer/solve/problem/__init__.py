"""The scheduling problem as arrays, with its limits and exact costs."""
