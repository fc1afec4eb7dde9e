"""What runs on this machine know about the service: its clock, the writes that count, closed vaults, locks."""
