"""Writes to Azure: what a plan or its rollback sends, and in which order the estate allows it."""
