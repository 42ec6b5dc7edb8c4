"""Sample throughput of every variant, side by side: python -m rlpair.compare."""


def main() -> None:
    """Run the command; exit with its code."""
    from rlpair.compare.__main__ import main as command  # now: who imports a part of this room needs no Hydra

    command()
