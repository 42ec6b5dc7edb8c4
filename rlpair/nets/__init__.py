"""Networks, in both frameworks."""
