"""Reports as strings and files, made from computed results; nothing here prints, reads a clock or calls Azure."""
