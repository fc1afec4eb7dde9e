"""Reasons why a VM moves or stays, and the cost of limits."""
