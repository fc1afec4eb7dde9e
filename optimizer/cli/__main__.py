"""``python -m optimizer.cli``: the command line where the program ``backup-optimizer`` is not installed."""

from optimizer.cli import main

main()
