"""Keeps what lies in the current folder, which may be a stranger's run, from being imported by its name.

``python -m rlpair.evaluate`` makes that folder the first place where Python looks for modules: a gymnasium.py there
would be run instead of Gymnasium. Importing this module, the first thing that rlpair does, takes the folder off the
path again, for the processes that a command starts as well. It needs os and sys alone, which Python has loaded by
itself; what Python has looked for until then nobody can help (docs/checkpoints.md).
"""

import os
import sys

SCRIPTS = ("rlpair", "rlpair-train")  # which do not have the current folder on their path
FLAGS = "-bBdEhiIOPqRsSuvVx"  # of Python, that may stand in one argument with m


def started_module(arguments: list[str]) -> str:
    """Find the module that ``python -m`` was told to run, among all its arguments; "" if none."""
    rest = iter(arguments[1:])
    for argument in rest:
        flags, m, name = argument.partition("m")
        if m and flags.startswith("-") and not flags.strip(FLAGS):
            return name or next(rest, "")
    return ""


def leave_current_folder() -> None:
    """Take the current folder off the path of a command, unless rlpair itself is there: its source is trusted."""
    is_module = sys.argv[:1] == ["-m"] and started_module(sys.orig_argv).partition(".")[0] == "rlpair"
    home = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
    if home == os.getcwd() or not (is_module or os.path.basename(sys.argv[0]) in SCRIPTS):
        return
    if is_module and not sys.flags.safe_path:
        del sys.path[0]
    os.environ["PYTHONSAFEPATH"] = "1"


def add_current_folder() -> None:
    """Look for modules in the current folder too, after all other places: the command line has named one."""
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), folder]))


leave_current_folder()
