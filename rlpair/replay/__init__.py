"""What was seen, to be sampled: on the host, and as pure functions."""
