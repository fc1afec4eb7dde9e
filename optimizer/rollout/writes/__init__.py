"""Writes to Azure: the requests of a plan or its rollback, and the order in which the estate allows them."""
