"""The problem as a model of CP-SAT, whole or in part."""
