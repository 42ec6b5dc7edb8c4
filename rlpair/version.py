"""The version of rlpair."""

__version__ = "0.1.0"
