"""docs/gpu.md, from what scripts/gpu.py found, and notes.md beside it where there is one.

python scripts/gpu_report.py docs/results/gpu/gpu.json > docs/gpu.md
"""

import json
import sys
from pathlib import Path
from typing import Any

HOW = """# On a GPU

`python scripts/gpu.py` runs all that needs a GPU, within ten minutes, and writes `gpu.json`, this page and a log into
`runs/gpu` (`--out FOLDER`, or `OUT` in the environment): the tests that take a device (`RLPAIR_TEST_DEVICE=cuda python
-m pytest tests/algos/test_parity.py`, and eight more files), `python -m rlpair.parity`, torch's update eager, compiled
and as a CUDA graph, the fused loop with many seeds, seeds spread over several GPUs, a short `python -m rlpair.compare
device=[cpu,cuda]`. A part that fails is recorded, and the rest goes on; started again, the command goes on with what
is not done. It needs PyTorch (2.11 or newer) and JAX with CUDA, and what `pip install -e '.[test]'` brings.

A machine without a network gets what it lacks in a folder, a few MB, made for its version of Python:

```bash
pip install --no-deps -c constraints.txt --target vendor \\
    gymnasium farama-notifications hydra-core omegaconf antlr4-python3-runtime \\
    pydantic pydantic-core annotated-types typing-inspection
PYTHONPATH=.:vendor python scripts/gpu.py
```
"""
WORK = {
    "sac": "### One update\n\nSAC on HalfCheetah's shapes, without it: observations of 17, actions of 6, "
    "batches of 256, 256-256, two critics. Many: 64.",
    "pixels": "DQN on Pong's shapes, without it: four frames of 84 x 84, batches of 32, the network of Mnih et al. "
    "Many: 16.",
}


def page(path: Path) -> str:
    """The document of that gpu.json."""
    notes = path.with_name("notes.md")
    return markdown(json.loads(path.read_text())) + (notes.read_text() if notes.exists() else "")


def markdown(found: dict[str, Any]) -> str:
    """What was found, as Markdown."""
    tables = [updates(found, group, text) for group, text in WORK.items()]
    sections = [heading(found), *tables, fused(found), checks(found), compare(found)]
    return HOW + "\n" + "\n\n".join(section for section in sections if section) + "\n"


def heading(found: dict[str, Any]) -> str:
    """What the numbers hold for."""
    card, machine = found["card"], found["machine"]
    memory = f", {card['bytes'] / 2**30:.0f} GiB, CUDA {card['cuda']}" if card.get("bytes") else ""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    quick = "\n\nA quick run, which shows that all parts run: its numbers mean nothing." if found["quick"] else ""
    host = f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"
    return f"## {card['name']}\n\n{found['date']}; {card['name']}{memory}; {host}; {versions}.{quick}"


def of_group(found: dict[str, Any], group: str) -> dict[str, dict[str, Any]]:
    """The parts group/NAME, by name."""
    return {name.partition("/")[2]: x for name, x in found["parts"].items() if name.startswith(f"{group}/")}


def row(name: str, part: dict[str, Any], cells: dict[str, str]) -> str:
    """Of a table: the cells of a part that is done, by key and format; of another one, why there are none."""
    if part["status"] != "done":
        return f"| {name} | {part['status']}: {part['error'].replace('|', '/')} |" + " |" * (len(cells) - 1)
    return f"| {name} | " + " | ".join("" if part[k] is None else f.format(part[k]) for k, f in cells.items()) + " |"


def table(head: str, parts: dict[str, dict[str, Any]], cells: dict[str, str]) -> str:
    """Markdown; nothing where there are no parts."""
    columns = head.count("|") + 1
    rows = [row(name, part, cells) for name, part in parts.items()]
    return "\n".join([f"| {head} |", "|---" * columns + "|", *rows]) if rows else ""


def updates(found: dict[str, Any], group: str, text: str) -> str:
    """Updates per second of one network."""
    cells = {"updates_per_second": "{:,.0f}", "from_host": "{:,.0f}", "in_bursts": "{:,.0f}"}
    cells |= {"first_update_seconds": "{:.1f}", "device_bytes": "{:,.0f}"}
    head = "updates/s | batches there | from the host | many in a call | the first one, s | bytes at most"
    found_table = table(head, of_group(found, group), cells)
    return f"{text}\n\n{found_table}" if found_table else ""


def fused(found: dict[str, Any]) -> str:
    """The fused loop's env steps per second."""
    cells = {
        "env_steps_per_second": "{:,.0f}",
        "flop": "{:.1e}",
        "compile_seconds": "{:.1f}",
        "device_bytes": "{:,.0f}",
    }
    head = "seeds | env steps/s of all | FLOP/s | compile and 500 random steps, s | bytes at most"
    found_table = table(head, of_group(found, "fused"), cells)
    text = "The work of [benchmarks_fused.md](benchmarks_fused.md): one update for every environment step."
    return f"### The fused loop\n\n{text}\n\n{found_table}" if found_table else ""


def checks(found: dict[str, Any]) -> str:
    """Tests, parity and seeds: what each says last."""
    names = [name for name in found["parts"] if name.startswith("tests/") or name in ("parity", "seeds")]
    rows = [f"| {name} | {found['parts'][name]['status']} | {note_of(found['parts'][name])} |" for name in names]
    return "\n".join(["### Checks\n", "| | | |", "|---|---|---|", *rows]) if rows else ""


def note_of(part: dict[str, Any]) -> str:
    """In a cell."""
    worst = "".join(f"; float64 on {device}: {error:.0e} at most" for device, error in part.get("worst", {}).items())
    failed = "".join(f"<br>{line}" for line in part.get("failed", []))
    return (str(part.get("note") or part.get("error")) + worst + failed).replace("|", "/")


def compare(found: dict[str, Any]) -> str:
    """What rlpair.compare says."""
    part = found["parts"].get("compare")
    if part is None:
        return ""
    text = part["markdown"].replace("\n## ", "\n#### ") if "markdown" in part else f"{part['status']}: {part['error']}"
    return f"### Compared\n\n{text}"


if __name__ == "__main__":
    print(page(Path(sys.argv[1])), end="")
