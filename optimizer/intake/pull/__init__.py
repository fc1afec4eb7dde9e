"""``pull``: reads vaults, load and jobs from Azure into an estate."""
