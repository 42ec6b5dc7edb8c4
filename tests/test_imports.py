"""Who may import whom: read off the sources, and off what a fresh interpreter has loaded after a run."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rlpair"
FRAMEWORKS = {"jax": "jax", "jaxlib": "jax", "flax": "jax", "optax": "jax", "chex": "jax", "torch": "torch"}
CONTRACT = "types errors version seeding advice aggregate"
# What each room, and each file outside of one, may import: of ours beside the contract | of others beside Python's own
# and numpy. Files of a backend may import its framework. In the order of the floors: no room imports one above it.
ALLOWED = {
    **dict.fromkeys(CONTRACT.split(), ""),
    "system": "",
    "disk": "| safetensors yaml",
    "settings": "| hydra omegaconf",
    "nets": "",
    "algos": "nets",
    "replay": "disk",
    "envs": "system | gymnasium gymnax brax",
    "agents": "nets algos disk system",
    "config": "settings algos",
    "presets": "algos config",
    "memory": "nets replay",
    "make": "algos envs agents config presets memory | gymnasium",
    "loops": "system disk algos replay envs agents config memory make",
    "runs": "system disk settings nets algos replay envs agents config presets memory make loops "
    "| pydantic rich tensorboard typing_extensions yaml",
    "load": "agents make runs",
    "cli": "system settings algos config presets runs | omegaconf rich",
    "compare": "system disk nets algos replay envs config presets make loops runs cli | matplotlib rich",
    "benchmark": "system disk settings config presets make runs cli | matplotlib pydantic rich scipy typing_extensions",
    "tune": "system disk settings algos envs config presets make runs cli | hydra optuna yaml",
    "evaluate": "system disk settings algos envs config make loops runs load cli | gymnasium",
    "parity": "system algos make runs cli",
    "plot": "disk runs cli | matplotlib plotext",
    "train": "system settings algos config runs cli",
    "__main__": "system",
    "__init__": "system algos envs config presets make loops load",
}
NAMES_KEPT_FROM_LOOP = re.compile(r"(?<![A-Za-z])(dqn|sac|torch|jax|flax|optax)(?![a-z])|DQN|SAC|Torch|Jax")


def imported(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import in a module of ``package``, at any depth, static or by a literal name."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                origin = ".".join([*above, *([module] if module else [])])
                yield from ((node.lineno, f"{origin}.{alias.name}") for alias in names)
            case ast.Call(args=[ast.Constant(value=str(name)), *_]) if is_dynamic_import(node.func):
                yield node.lineno, name


def is_dynamic_import(function: ast.expr) -> bool:
    """Whether a call of it imports a module by name."""
    return ast.unparse(function).split(".")[-1] in ("import_module", "__import__")


def backend_of(module: str) -> str | None:
    """The backend of a framework's module, or of one of ours: ``*_torch`` or ``*_jax`` anywhere in its dotted name."""
    first, *others = module.split(".")
    suffixes = {part.rpartition("_")[2] for part in others if "_" in part} if first == "rlpair" else set()
    return FRAMEWORKS.get(first) or next(iter(suffixes & {"torch", "jax"}), None)


def breaches(name: str, source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every breach of the import rules in a module, ``name`` being its path in the package."""
    path = Path(name)
    if path.stem in ("torch", "jax"):
        yield 1, "a module must not be named like a framework"
    for line, module in imported(source, ".".join(["rlpair", *path.parts[:-1]])):
        backend = backend_of(module)
        if backend and backend != backend_of(f"rlpair.{path.stem}"):
            yield line, f"{module} belongs in *_{backend}.py"
        if module.split(".")[0] == "pickle":
            yield line, "pickle is never used"
        if (what := not_allowed(path.parts[0].removesuffix(".py"), module)) is not None:
            yield line, what
    if name == "loops/host.py":
        for line, text in enumerate(source.splitlines(), 1):
            yield from ((line, f"names {word[0]}") for word in NAMES_KEPT_FROM_LOOP.finditer(text))


def not_allowed(room: str, module: str) -> str | None:
    """What is wrong with an import of a room, or of a file outside of one; None if nothing is."""
    ours, _, others = ALLOWED[room].partition("|") if room in ALLOWED else ("", "", "")
    first, *inner = module.split(".")
    if first == "rlpair":
        other = inner[0] if inner and inner[0] in ALLOWED else "__init__"
        allowed, what = {room, *ours.split(), *CONTRACT.split()}, f"{other}: {module}"
    else:
        other, what = first, module
        allowed = {"numpy", "_typeshed", *FRAMEWORKS, *others.split(), *sys.stdlib_module_names}
    return None if other in allowed else f"{room} must not import {what}"


def violations(root: Path) -> list[str]:
    """Every breach in the package at ``root``, as ``file:line: what is wrong``."""
    sources = {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*.py"))}
    return [f"{name}:{line}: {what}" for name, text in sources.items() for line, what in breaches(name, text)]


def test_the_package_keeps_the_rules() -> None:
    assert len(list(PACKAGE.rglob("*.py"))) > 20
    assert violations(PACKAGE) == []


def test_no_room_imports_one_above_it() -> None:
    below: list[str] = []
    for room, allowed in ALLOWED.items():
        assert set(allowed.partition("|")[0].split()) <= set(below), room
        below.append(room)


def test_loops_give_and_take_states_and_know_no_file_of_a_checkpoint() -> None:
    sources = [path.read_text() for path in (PACKAGE / "loops").glob("*.py")]
    names = {name for text in sources for _, name in imported(text, "rlpair.loops")}
    from_disk = {name.rpartition(".")[0] for name in names if name.startswith("rlpair.disk.")}
    assert from_disk == {"rlpair.disk.tensors"}


def test_contributing_shows_the_rooms() -> None:
    table = re.findall(r"^\| `([^`]+)` \|.*\| ([^|]*) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    shown = {name.strip("/").removesuffix(".py"): cell for name, cell in table}
    named = {room: allowed.replace("| ", "").split() for room, allowed in ALLOWED.items() if room != "__init__"}
    assert shown == {room: ", ".join(names) or "-" for room, names in named.items() if room not in CONTRACT.split()}


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("replay/buffer.py", "import numpy\nimport jax.numpy as jnp", ":2: jax.numpy belongs in *_jax.py"),
        ("make.py", "def f():\n    import torch", ":2: torch belongs in *_torch.py"),
        ("make.py", "import importlib\nimportlib.import_module('optax')", ":2: optax belongs in *_jax.py"),
        ("make.py", "__import__('chex')", ":1: chex belongs in *_jax.py"),
        ("agents/agent_jax.py", "import torch", ":1: torch belongs in *_torch.py"),
        ("agents/agent_torch.py", "from flax import linen", ":1: flax.linen belongs in *_jax.py"),
        ("evaluate.py", "import rlpair.loops.seeds_jax", ":1: rlpair.loops.seeds_jax belongs in *_jax.py"),
        (
            "agents/agent_torch.py",
            "from rlpair.algos import dqn_torch, dqn_jax",
            ":1: rlpair.algos.dqn_jax belongs in *_jax.py",
        ),
        (
            "algos/sac_jax.py",
            "from .sac_torch import critic_loss",
            ":1: rlpair.algos.sac_torch.critic_loss belongs in *_torch.py",
        ),
        ("algos/dqn.py", "from gymnasium.spaces import Box", ":1: algos must not import gymnasium.spaces.Box"),
        ("algos/dqn.py", "from rlpair.loops import host", ":1: algos must not import loops: rlpair.loops.host"),
        (
            "algos/dqn.py",
            "from ..loops.host import evaluate",
            ":1: algos must not import loops: rlpair.loops.host.evaluate",
        ),
        ("algos/dqn.py", "import rlpair", ":1: algos must not import __init__: rlpair"),
        ("algos/dqn.py", "from rlpair import run", ":1: algos must not import __init__: rlpair.run"),
        ("algos/dqn_jax.py", "import hydra", ":1: algos must not import hydra"),
        ("types.py", "from rlpair.disk import files", ":1: types must not import disk: rlpair.disk.files"),
        ("new.py", "import rlpair.train", ":1: new must not import train: rlpair.train"),
        ("loops/fused.py", "import rlpair.runs", ":1: loops must not import runs: rlpair.runs"),
        ("loops/host.py", "x = 1\nif algo == 'dqn':\n    pass", ":2: names dqn"),
        ("loops/host.py", "config: SACConfig", ":1: names SAC"),
        ("loops/host.py", "module = agent_torch", ":1: names torch"),
        ("envs/jax.py", "", ":1: a module must not be named like a framework"),
        ("disk/checkpoint.py", "import pickle", ":1: pickle is never used"),
    ],
)
def test_a_breach_is_found(tmp_path: Path, name: str, source: str, expected: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(source)
    assert violations(tmp_path) == [name + expected]


def test_what_is_allowed_is_not_reported(tmp_path: Path) -> None:
    for room in ("agents", "loops"):
        (tmp_path / room).mkdir()
    source = "import jax, os\nfrom rlpair.types import State\nfrom rlpair.algos import dqn, dqn_jax"
    (tmp_path / "agents/agent_jax.py").write_text(source)
    (tmp_path / "make.py").write_text("import importlib\nimportlib.import_module(f'rlpair.{name}_{backend}')")
    (tmp_path / "loops/host.py").write_text("from rlpair.envs.host import Playable\ntransaction = 'sacrifice'")
    assert violations(tmp_path) == []


def test_nothing_imports_through_the_root_links() -> None:
    sources = [path for room in ("rlpair", "tests", "scripts", "examples") for path in (ROOT / room).rglob("*.py")]
    names = {name.split(".")[0] for path in sources for _, name in imported(path.read_text(), "rlpair")}
    assert "rlpair" in names
    assert not names & {"algos", "envs"}


LOADED = "import sys; print(sorted({'jax', 'jaxlib', 'flax', 'optax', 'chex', 'torch'} & set(sys.modules)))"
IMPORTERS_RUN = """
import rlpair
config = rlpair.DQNConfig(buffer_size=100, learning_starts=10, batch_size=4, train_freq=1, net_arch=(8,))
agent = rlpair.make_agent("dqn", backend="{backend}", env=rlpair.EnvSpec((4,), "float32", True, 2), config=config)
list(rlpair.run(agent, "CartPole-v1", rlpair.LoopConfig(total_timesteps=20)))
assert agent.num_updates == 10, agent.num_updates
"""
COMMAND_RUN = """
import sys
from rlpair.train import main
sys.argv = ["rlpair-train", "algo=sac", "backend={backend}", "total_timesteps=20", "algo.learning_starts=10",
            "algo.net_arch=[8]", "algo.batch_size=4", "algo.buffer_size=100", "run_dir=run"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def test_importing_the_package_loads_no_framework(run_python: Callable[..., str]) -> None:
    assert run_python("-c", f"import rlpair\n{LOADED}") == "[]\n"


@pytest.mark.parametrize("program", [IMPORTERS_RUN, COMMAND_RUN], ids=["importer", "command"])
@pytest.mark.parametrize(
    ("backend", "loaded"), [("torch", "['torch']"), ("jax", "['chex', 'flax', 'jax', 'jaxlib', 'optax']")]
)
def test_a_run_loads_one_framework(run_python: Callable[..., str], backend: str, loaded: str, program: str) -> None:
    printed = run_python("-c", program.format(backend=backend) + LOADED)
    assert printed.splitlines()[-1] == loaded
