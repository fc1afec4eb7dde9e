"""Watch: whether the moved VMs are backed up at their new times."""
