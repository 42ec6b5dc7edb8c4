"""scripts/gpu.py, where there is no GPU: what it says, what it makes of parts that fail, what it goes on with."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "gpu.py"
sys.path.append(str(ROOT / "scripts"))

import gpu  # noqa: E402
import gpu_report  # noqa: E402

HEAD = {"card": {"name": "Card"}, "quick": False, "device": "cuda", "date": "2026-01-02", "versions": {"torch": "2"}}
HEAD |= {"machine": {"processor": "P", "cores": 2, "system": "S"}}


def part(name: str, code: str, limit: float = 60) -> gpu.Part:
    return gpu.Part(name, [sys.executable, "-c", code], limit, gpu.last_json)


def run(one: gpu.Part, limit: float = 60) -> dict[str, Any]:
    result, _ = gpu.run(one, limit, dict(os.environ))
    assert result.pop("seconds") < 30
    return result


def test_without_a_gpu_there_is_one_line() -> None:
    ran = subprocess.run([sys.executable, SCRIPT, "--out", "out"], capture_output=True, text=True, check=False)
    line = "rlpair: there is no GPU here that both PyTorch and JAX find; --device cpu --quick needs none\n"
    assert (ran.returncode, ran.stdout, ran.stderr, Path("out").exists()) == (1, "", line, False)


def test_a_part_is_done_or_failed_or_cut_off() -> None:
    assert run(part("a", "print('words'); print('{\"x\": 1}')")) == {"status": "done", "x": 1}
    failed = run(part("a", "import sys; print('half'); sys.exit('rlpair: no\\nrlpair: because')"))
    assert failed == {"status": "failed", "error": "rlpair: because"}
    assert run(part("a", "print('half')")) == {"status": "failed", "error": "half"}
    assert run(part("a", "pass")) == {"status": "failed", "error": "exit code 0"}
    assert run(part("a", "pass"), limit=4) == {"status": "cut off", "error": "no time was left"}


def test_a_part_that_takes_too_long_is_ended_with_all_its_processes() -> None:
    child = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])"
    result, printed = gpu.run(part("a", f"{child}; print(p.pid, flush=True); p.wait()"), 6, dict(os.environ))
    assert (result["status"], result["error"]) == ("cut off", "was not done within 6 s")
    for _ in range(100):
        state = Path(f"/proc/{printed.strip()}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("its process lives on")


def test_what_is_done_is_not_done_again() -> None:
    record = gpu.Record(Path(), HEAD)
    one, other = part("seeds", ""), part("tests/fused", "")
    record.add(one, {"status": "done", "seconds": 1.0, "note": "one card"}, "")
    record.add(other, {"status": "failed", "seconds": 1.0, "error": "1 failed", "failed": ["FAILED a|b"]}, "all of it")
    again = gpu.Record(Path(), HEAD | {"date": "2026-01-03"})
    assert [again.is_done(some) for some in (one, other, part("fused/dqn 1", ""))] == [True, False, False]
    for changed in ({"card": {"name": "Another"}}, {"versions": {"torch": "3"}}, {"quick": True}):
        assert not gpu.Record(Path(), HEAD | changed).is_done(one)
    assert json.loads(Path("gpu.json").read_text())["parts"].keys() == {"seeds", "tests/fused"}
    assert Path("gpu.log").read_text() == "== seeds\n\n== tests/fused\nall of it\n"


def test_the_page_shows_what_was_found_and_what_was_not() -> None:
    done = {"status": "done", "updates_per_second": 1234.5, "from_host": 1000, "in_bursts": 2000, "device_bytes": None}
    parts: dict[str, Any] = {
        "sac/jax": done | {"first_update_seconds": 1.25},
        "sac/torch eager": {"status": "failed", "error": "out | of memory"},
        "tests/fused": {"status": "failed", "error": "1 failed", "note": "1 failed", "failed": ["FAILED a|b"]},
        "parity": {"status": "done", "note": "all within", "worst": {"cuda": 1e-13}},
        "compare": {"status": "cut off", "error": "was not done within 9 s"},
    }
    page = gpu_report.markdown(HEAD | {"parts": parts})
    assert page.startswith(gpu_report.HOW)
    for line in (
        "## Card",
        "2026-01-02; Card; P, 2 cores, S; torch 2.",
        "| jax | 1,234 | 1,000 | 2,000 | 1.2 |  |",
        "| torch eager | failed: out / of memory | | | | |",
        "| tests/fused | failed | 1 failed<br>FAILED a/b |",
        "| parity | done | all within; float64 on cuda: 1e-13 at most |",
        "cut off: was not done within 9 s",
    ):
        assert line in page.splitlines()


def test_the_document_is_what_the_script_writes() -> None:
    assert (ROOT / "docs" / "gpu.md").read_text() == gpu_report.page(ROOT / "docs" / "results" / "gpu" / "gpu.json")


def test_what_parity_and_pytest_print_is_read() -> None:
    tables = "# head\n\n## SAC, cpu\n\n| | float64 | float32 |\n|---|---|---|\n| losses | 2.0e-14 | 1e-3 |\n"
    tables += "\n## SAC, cuda\n\n| | float64 |\n|---|---|\n| losses | 3.0e-13 (!) | 1 |\n\n2 of 2 comparisons\n"
    assert gpu.parity_result(tables) == {"note": "2 of 2 comparisons", "worst": {"cpu": 2e-14, "cuda": 3e-13}}
    assert gpu.pytest_result("..F\nFAILED tests/x.py::y - no\n=== 1 failed, 2 passed in 3s ===\n") == {
        "note": "1 failed, 2 passed in 3s",
        "failed": ["FAILED tests/x.py::y - no"],
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_part_runs_small_on_a_cpu() -> None:
    quick = [sys.executable, SCRIPT, "--device", "cpu", "--quick", "--seconds", "800", "--out", "out"]
    ran = subprocess.run(quick, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(Path("out/gpu.json").read_text())
    assert set(found["parts"]) == {
        *("tests/crossing", "parity", "seeds", "sac/torch eager", "sac/torch compiled", "sac/jax"),
        *("pixels/torch eager", "fused/dqn 2", "fused/sac 1", "compare"),
    }
    assert {result["status"] for result in found["parts"].values()} == {"done"}
    assert all(
        x["updates_per_second"] > 0 for name, x in found["parts"].items() if name.startswith(("sac/", "pixels/"))
    )
    assert {path.name for path in Path("out").iterdir()} == {"gpu.json", "gpu.md", "gpu.log"}
