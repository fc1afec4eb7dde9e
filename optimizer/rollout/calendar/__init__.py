"""Calendar of a roll-out: when each write is allowed, and when it is scheduled."""
