"""Turns the load history into the risk of each start option, in at-risk backups per 30 days."""
