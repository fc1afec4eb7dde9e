"""Proven lower bounds on the cost of every schedule: a Lagrangian relaxation with prices, and what it excludes."""
