"""Reports for a terminal: what is printed, as renderables that adapt to the console."""
