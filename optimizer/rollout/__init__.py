"""Roll-out of a plan: when each write is made, how it is carried out, watched, and rolled back."""
