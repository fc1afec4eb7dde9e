"""Rehearsal: a plan is carried out, watched and rolled back on a twin of the service."""
