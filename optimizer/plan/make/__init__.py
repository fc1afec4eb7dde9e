"""How a schedule becomes a verified plan."""
