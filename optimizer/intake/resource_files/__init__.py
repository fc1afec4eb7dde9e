"""JSON files with ARM resources: recognizing, reading and resolving them."""
