"""Why there is no schedule, what would make room for one, and what a limit that binds costs."""
