"""Use case: carry out a plan on a twin of the cloud, watch it, and roll it back."""

from optimizer.rollout import rehearse_plan

__all__ = ["rehearse_plan"]
