"""Questions about a plan: what if the estate or the rules were others, and how much hangs on the prices."""
