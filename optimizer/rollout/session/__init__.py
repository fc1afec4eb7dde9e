"""State of the service as known to the runs on this machine: clock, counted writes, closed vaults, locks."""
