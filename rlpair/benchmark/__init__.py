"""Published scores, from one command, in both frameworks: python -m rlpair.benchmark."""


def main() -> None:
    """Run the command; exit with its code."""
    from rlpair.benchmark.__main__ import main as command  # now: who imports a part of this room needs no Hydra

    command()
