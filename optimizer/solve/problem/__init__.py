"""What a schedule has to keep and what it costs: the problem as arrays, its limits, and exact costs."""
