"""Execution of a roll-out: each write is made exactly once, lane by lane, and recorded in the journal."""
