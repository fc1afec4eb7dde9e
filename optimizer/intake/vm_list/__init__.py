"""The list ``vms.csv`` of an import: its columns, its rows, and the ARM resources made of them."""
