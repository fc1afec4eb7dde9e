"""The amount of work that a search may do: its settings, its cycles, and its clock."""
