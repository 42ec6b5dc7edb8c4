"""Looks for settings that learn an environment better: python -m rlpair.tune."""


def main() -> None:
    """Run the command; exit with its code."""
    from rlpair.tune.__main__ import main as command  # now: who imports a part of this room needs no Hydra

    command()
