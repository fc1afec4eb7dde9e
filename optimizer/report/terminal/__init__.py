"""Reports for a terminal, as renderables that adapt to the console."""
