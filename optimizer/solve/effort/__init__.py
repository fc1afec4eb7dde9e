"""How much work a search may do: its settings, its cycles, and its clock."""
