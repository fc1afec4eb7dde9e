"""The change to make: its document, how it is derived from a schedule, what is wrong today and why a VM moves."""
