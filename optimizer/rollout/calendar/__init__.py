"""Calendar of a roll-out: when each write may be made, and when it will be made."""
