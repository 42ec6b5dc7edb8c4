"""What a setting may be: its type, how it is written, and whether a file alone decides it."""
