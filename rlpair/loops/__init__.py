"""Interacting and learning in turn: on the host, and compiled whole."""
