"""Proven lower bounds on the cost of every schedule, from a Lagrangian relaxation, and starts that they exclude."""
