"""Adapter to Azure through Microsoft's own clients; no other package imports ``azure.*``."""
