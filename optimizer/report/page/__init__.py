"""The HTML page of a plan: one self-contained file with tables and charts."""
