"""Azure through Microsoft's own clients; the only importer of ``azure.*``."""
