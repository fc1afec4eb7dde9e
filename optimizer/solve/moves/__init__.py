"""The gain of fewer moves: paths from today's schedule to a plan and back."""
