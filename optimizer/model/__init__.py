"""The domain: time, inventory, load, rules and schedules as frozen plain data."""
