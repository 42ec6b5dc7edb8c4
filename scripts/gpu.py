"""All that needs a GPU, in one command and within ten minutes: writes FOLDER/gpu.json, gpu.md and gpu.log.

    python scripts/gpu.py [--out FOLDER] [--seconds 570] [--only WORD ...]
    python scripts/gpu.py --device cpu --quick                                # every part, small, where there is no GPU

FOLDER is OUT from the environment unless it is given. Each part is a process of its own, and its result is written as
soon as it is there; one that fails or takes too long is recorded as that, and the next begins. Started again with the
same FOLDER, the command goes on with what is not done. docs/gpu.md says how to take it to a machine without a network.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from gpu_measure import VARIANTS
from gpu_report import markdown

from rlpair.errors import RLPairError
from rlpair.system.machine import has_gpu, machine, versions
from rlpair.system.workers import usable_cores

ROOT = Path(__file__).resolve().parents[1]
MEASURE = str(ROOT / "scripts" / "gpu_measure.py")
# The longest first.
TESTS = ("parity", "fused", "compile", "crossing", "probes", "resume", "reference", "noise", "devices")
SEEDS = (1, 64, 1024)


class Part(NamedTuple):
    """A process, and what is read off it."""

    name: str  # of its group and its own: updates/jax
    command: list[str]
    limit: float  # seconds
    read: Callable[[str], dict[str, Any]]  # of its standard output


def parts(device: str, quick: bool, scratch: Path) -> tuple[list[Part], list[Part]]:
    """Those that may run side by side, since they measure no time; and those that run alone."""
    python = [sys.executable]
    seconds, limit = "0.2" if quick else "2", 90 if device == "cuda" else 300  # a slow CPU compiles for minutes
    files = ("crossing",) if quick else TESTS
    side_by_side = [
        *(Part(f"tests/{name}", [*python, "-m", "pytest", *tests(name, quick)], 400, pytest_result) for name in files),
        Part("parity", [*python, "-m", "rlpair.parity", *parity_settings(quick)], 220, parity_result),
        Part("seeds", [*python, MEASURE, "seeds", device], 150, last_json),
    ]
    variants = [("sac", name) for name in VARIANTS if device == "cuda" or "CUDA" not in name]
    variants += [("pixels", name) for name in (("torch eager",) if quick else VARIANTS)]
    counts = {"dqn": (2,), "sac": (1,)} if quick else {"dqn": SEEDS, "sac": SEEDS}
    fused = [(algo, str(count)) for algo, some in counts.items() for count in some]
    alone = [
        *(
            Part(f"{w}/{x}", [*python, MEASURE, "updates", device, w, x, seconds], limit, last_json)
            for w, x in variants
        ),
        *(Part(f"fused/{a} {n}", [*python, MEASURE, "fused", device, a, n, seconds], 150, last_json) for a, n in fused),
        Part(
            "compare", [*python, "-m", "rlpair.compare", *compare_settings(device, quick, scratch)], 300, page(scratch)
        ),
    ]
    return side_by_side, alone


def parity_settings(quick: bool) -> list[str]:
    """Of rlpair.parity, which takes the GPU by itself."""
    return ["algo=[dqn]", "seeds=1", "updates=2", "batch_size=8"] if quick else ["seeds=1", "updates=100"]


def compare_settings(device: str, quick: bool, scratch: Path) -> list[str]:
    """Of rlpair.compare: short."""
    some = ["algo=[dqn]", "mode=[eager]", "seconds=0.05"] if quick else ["mode=[compiled,host,seeds]", "seconds=0.5"]
    devices = "[cpu]" if device == "cpu" else "[cpu,cuda]"
    return [*some, f"device={devices}", "repeats=1", "num_seeds=[16]", f"out={scratch / 'compare'}"]


def tests(name: str, quick: bool) -> list[str]:
    """Arguments of pytest: one file of tests, or one of them."""
    marks = ["-k", "there_and_back and not sac"] if quick else [] if name == "compile" else ["-m", "not slow"]
    return ["-q", "--tb=line", "-p", "no:cacheprovider", *marks, str(next((ROOT / "tests").rglob(f"test_{name}.py")))]


# What is read off a part's output


def last_json(output: str) -> dict[str, Any]:
    """Its last line."""
    found: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return found


def parity_result(output: str) -> dict[str, Any]:
    """Its last line, which counts, and the largest error of each device in float64."""
    worst: dict[str, float] = {}
    for table in output.split("\n## ")[1:]:
        device = table.splitlines()[0].rpartition(", ")[2]
        errors = [float(x) for x in re.findall(r"^\| [^|]+\| ([0-9.e+-]+|inf)", table, re.MULTILINE)]
        worst[device] = max([*errors, worst.get(device, 0.0)])
    return {"note": output.strip().splitlines()[-1], "worst": worst}


def pytest_result(output: str) -> dict[str, Any]:
    """Its last line, which counts, and the tests that failed."""
    lines = output.strip().splitlines()
    return {"note": lines[-1].strip("= "), "failed": [line for line in lines if line.startswith(("FAILED", "ERROR"))]}


def page(scratch: Path) -> Callable[[str], dict[str, Any]]:
    """A reader of what rlpair.compare wrote: compare.md as it stands, below its heading."""

    def read(output: str) -> dict[str, Any]:
        return {"markdown": (scratch / "compare" / "compare.md").read_text().partition("\n")[2].strip()}

    return read


# Running them


class Record:
    """gpu.json: what is known so far. Written anew, whole, whenever a part has come to its end."""

    def __init__(self, out: Path, head: dict[str, Any]) -> None:
        """Goes on with the parts that are done there, if they are of the same card, versions and size."""
        self._out, self._lock = out, threading.Lock()
        self.found: dict[str, Any] = head | {"parts": {}}
        if (out / "gpu.json").exists():
            before = json.loads((out / "gpu.json").read_text())
            if all(before.get(key) == head[key] for key in ("card", "versions", "quick")):
                self.found["parts"] = before["parts"]

    def is_done(self, part: Part) -> bool:
        """Whether it need not run again."""
        return self.found["parts"].get(part.name, {}).get("status") == "done"

    def add(self, part: Part, result: dict[str, Any], printed: str) -> None:
        """Write it down, and what it printed into the log."""
        with self._lock:
            self.found["parts"][part.name] = result
            replace_text(self._out / "gpu.json", json.dumps(self.found, indent=1) + "\n")
            replace_text(self._out / "gpu.md", markdown(self.found))
            with (self._out / "gpu.log").open("a") as log:
                log.write(f"== {part.name}\n{printed}\n")
        line = result.get("error") or result.get("note") or ""
        print(f"{part.name}: {result['status']}, {result['seconds']:.0f} s {line}", file=sys.stderr, flush=True)


RUNNING: set["subprocess.Popen[str]"] = set()


def run(part: Part, limit: float, environment: dict[str, str]) -> tuple[dict[str, Any], str]:
    """Its result with its status, done, failed or cut off, and its seconds; and what it printed."""
    start = time.perf_counter()

    def outcome(status: str, **more: Any) -> dict[str, Any]:
        return {"status": status, "seconds": round(time.perf_counter() - start, 1), **more}

    if limit < 5:
        return outcome("cut off", error="no time was left"), ""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(part.command, cwd=ROOT, env=environment, process_group=0, **pipes) as process:
        RUNNING.add(process)
        try:
            output, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its own processes too
            output, errors = process.communicate()
            return outcome("cut off", error=f"was not done within {limit:.0f} s"), output + errors
        finally:
            RUNNING.discard(process)
    try:
        result = part.read(output)
    except (ValueError, KeyError, IndexError, OSError):
        result = {}
    if process.returncode == 0 and result:
        return outcome("done", **result), output + errors
    last = [text.strip().splitlines()[-1] for text in (errors, output) if text.strip()]
    error = result.get("note") or (last or [f"exit code {process.returncode}"])[0][:300]
    return outcome("failed", **result | {"error": error}), output + errors


def replace_text(path: Path, text: str) -> None:
    """Write a file whole, or not at all."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text)
    temporary.replace(path)


def present(device: str) -> bool:
    """Whether both frameworks find it."""
    return device == "cpu" or all(has_gpu(backend) for backend in ("torch", "jax"))


def environment_of(device: str) -> dict[str, str]:
    """What all parts are started with: what we import, from any folder; the tests on the device."""
    paths = [ROOT, *map(Path, filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))]
    absolute = os.pathsep.join(str(path.resolve()) for path in paths)
    return {**os.environ, "PYTHONPATH": absolute, "RLPAIR_TEST_DEVICE": device, "PYTHONUNBUFFERED": "1"}


def selected(some: Sequence[Part], words: Sequence[str]) -> Iterator[Part]:
    """Those whose name has one of the words; all, where there are none."""
    return (part for part in some if not words or any(word in part.name for word in words))


def main() -> None:
    """Run what is not done yet, as far as the time goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "runs/gpu")))
    parser.add_argument("--seconds", type=float, default=570.0, help="for all of it")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="parts whose name has such a word")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny: to see that every part runs")
    args = parser.parse_args()
    try:
        if not present(args.device):
            sys.exit("rlpair: there is no GPU here that both PyTorch and JAX find; --device cpu --quick needs none")
        args.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            record = run_all(args, Path(scratch))
    except RLPairError as error:
        sys.exit(f"rlpair: {error}")
    except KeyboardInterrupt:
        for process in RUNNING:
            os.killpg(process.pid, signal.SIGKILL)
        sys.exit("rlpair: stopped; the same command goes on where it was")
    wrong = [name for name, result in record.found["parts"].items() if result["status"] != "done"]
    print(f"all in {args.out}" + (f"; not done: {', '.join(wrong)}" if wrong else ""))
    sys.exit(1 if wrong else 0)


def run_all(args: argparse.Namespace, scratch: Path) -> Record:
    """The parts that are not done, as far as the time goes. Raises RLPairError where the card does not answer."""
    end, environment = time.perf_counter() + args.seconds, environment_of(args.device)
    card, printed = run(Part("card", [sys.executable, MEASURE, "card", args.device], 120, last_json), 120, environment)
    if card["status"] != "done":
        raise RLPairError(f"{args.device} does not answer: {card['error']}\n{printed}")
    head = {"card": {k: v for k, v in card.items() if k not in ("seconds", "status")}, "quick": args.quick}
    head |= {"device": args.device, "date": time.strftime("%Y-%m-%d"), "machine": machine(), "versions": versions()}
    record = Record(args.out, head)

    def go(part: Part) -> None:
        record.add(part, *run(part, min(part.limit, end - time.perf_counter()), environment))

    side_by_side, alone = parts(args.device, args.quick, scratch)
    with ThreadPoolExecutor(max(1, len(usable_cores()) // 2)) as pool:
        list(pool.map(go, [part for part in selected(side_by_side, args.only) if not record.is_done(part)]))
    for part in selected(alone, args.only):
        if not record.is_done(part):
            go(part)
    return record


if __name__ == "__main__":
    main()
