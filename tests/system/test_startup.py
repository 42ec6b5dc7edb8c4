"""A command before its own code: Ctrl-C has its line as early as can be, and os._exit is an exception."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# Looked for before the handler stands: until then Ctrl-C is Python's traceback.
BEFORE = ["rlpair.system", "rlpair.system.safe_path", "rlpair.system.startup", "signal", "enum"]
BEFORE += ["rlpair.system.interrupts", "collections.abc"]
SITE = """
import os, sys, _signal

_signal.signal(2, _signal.default_int_handler)  # where the tests run in the background, it is ignored

class Watch:
    def find_spec(self, name, *_):
        if "rlpair" in sys.modules:
            if _signal.getsignal(2) is _signal.default_int_handler:
                print(name, file=sys.stderr)
            elif name.startswith("rlpair"):
                os.kill(os.getpid(), 2)

sys.meta_path.insert(0, Watch())
"""


@pytest.mark.parametrize("module", ["rlpair", "rlpair.train"])
def test_ctrl_c_is_one_line_from_the_first_modules_on(module: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SITE)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    arguments = [sys.executable, "-m", module, "--version"]
    run = subprocess.run(arguments, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    assert run.stderr.split("\n") == [*BEFORE, "rlpair: interrupted", ""]
    assert (run.returncode, run.stdout) == (130, "")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("os._exit(0)", (1, "", "os._exit(0)\n")),  # as sys.exit("os._exit(0)") does
        ("thread(0)", (2, "", "rlpair: os._exit(0) was called in a thread\n")),
        ("thread(3)", (3, "", "rlpair: os._exit(3) was called in a thread\n")),
        ("print(fork(7))", (0, "7\n", "")),
    ],
)
def test_os_exit_is_an_exception_but_in_a_fork(code: str, expected: tuple[int, str, str]) -> None:
    given = """
        import os, threading
        from rlpair.system.exits import catch_exits

        def thread(status):
            thread = threading.Thread(target=os._exit, args=(status,))
            thread.start()
            thread.join()

        def fork(status):
            child = os.fork()
            if child == 0:
                os._exit(status)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

        catch_exits()
    """
    program = f"{textwrap.dedent(given)}\n{code}"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == expected
