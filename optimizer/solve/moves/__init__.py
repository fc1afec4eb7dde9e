"""What fewer moves would gain: ways from today to a plan and back."""
