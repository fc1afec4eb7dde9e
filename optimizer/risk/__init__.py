"""From the history of load to the cost of each start option."""
