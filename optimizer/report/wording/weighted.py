"""Labels of figures in which every VM counts with its weight."""

AT_RISK_WEIGHTED, OVERLAPS_WEIGHTED = (
    f"{figure}, weighted by the rules" for figure in ("at-risk backups", "overlapping snapshots")
)
"""Labels of at-risk backups and of overlapping snapshots, both per 30 days."""
