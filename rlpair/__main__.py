"""rlpair COMMAND ...: all commands under one name; also python -m rlpair."""

import difflib
import importlib
import sys

from rlpair.system.output import exit_code
from rlpair.version import __version__

COMMANDS = {
    "train": "train an agent, or go on with a run",
    "evaluate": "play greedy episodes with a trained agent, filmed if you like",
    "plot": "draw the curves of runs, as a PNG and on the terminal",
    "compare": "which framework is faster for which work, on this machine",
    "benchmark": "train a suite in both frameworks, beside published scores",
    "tune": "look for settings that learn an environment better",
    "parity": "how far apart the twins are, on this machine",
}


def help_text() -> str:
    """Return the commands, a line each."""
    lines = ["rlpair COMMAND KEY=VALUE ...     also python -m rlpair", ""]
    lines += [f"  {name:10}{what}" for name, what in COMMANDS.items()]
    return "\n".join([*lines, "", "rlpair COMMAND --help lists its keys; rlpair --version says which rlpair this is."])


def main() -> None:
    """Run the command that ``sys.argv`` names; exit with its code."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in COMMANDS:
        del sys.argv[1]
        importlib.import_module(f"rlpair.{name}").main()
    if name in ("-h", "--help", "--version"):
        print(f"rlpair {__version__}" if name == "--version" else help_text())
        sys.exit(exit_code(0))
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(COMMANDS)}"
    print(f"rlpair: command={name!r} is not allowed: {hint}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
