"""Domain model: time, inventory, load, rules and schedules as frozen plain data."""
