"""Who may import whom: read off the sources, and off what a fresh interpreter has loaded after a run."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rlpair"
FRAMEWORKS = {"jax": "jax", "jaxlib": "jax", "flax": "jax", "optax": "jax", "chex": "jax", "torch": "torch"}
KEPT_FROM_ALGOS = {
    "gymnasium": "an environment",
    "hydra": "a command",
    "omegaconf": "a command",
    "rlpair.envs": "an environment",
    "rlpair.evaluate": "a command",
    "rlpair.loops": "the loop",
    "rlpair.train": "a command",
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
        if path.parts[0] == "algos":
            kept = [what for key, what in KEPT_FROM_ALGOS.items() if f"{module}.".startswith(f"{key}.")]
            yield from ((line, f"algos/ must not import {what}: {module}") for what in kept)
    if name == "loops/host.py":
        for line, text in enumerate(source.splitlines(), 1):
            yield from ((line, f"names {word[0]}") for word in NAMES_KEPT_FROM_LOOP.finditer(text))


def violations(root: Path) -> list[str]:
    """Every breach in the package at ``root``, as ``file:line: what is wrong``."""
    sources = {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*.py"))}
    return [f"{name}:{line}: {what}" for name, text in sources.items() for line, what in breaches(name, text)]


def test_the_package_keeps_the_rules() -> None:
    assert len(list(PACKAGE.rglob("*.py"))) > 20
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("replay.py", "import numpy\nimport jax.numpy as jnp", ["replay.py:2: jax.numpy belongs in *_jax.py"]),
        ("make.py", "def f():\n    import torch", ["make.py:2: torch belongs in *_torch.py"]),
        ("make.py", "import importlib\nimportlib.import_module('optax')", ["make.py:2: optax belongs in *_jax.py"]),
        ("make.py", "__import__('chex')", ["make.py:1: chex belongs in *_jax.py"]),
        ("agent_jax.py", "import torch", ["agent_jax.py:1: torch belongs in *_torch.py"]),
        ("agent_torch.py", "from flax import linen", ["agent_torch.py:1: flax.linen belongs in *_jax.py"]),
        ("run.py", "import rlpair.agents.agent_jax", ["run.py:1: rlpair.agents.agent_jax belongs in *_jax.py"]),
        (
            "agent_torch.py",
            "from rlpair.algos import dqn_torch, dqn_jax",
            ["agent_torch.py:1: rlpair.algos.dqn_jax belongs in *_jax.py"],
        ),
        (
            "algos/sac_jax.py",
            "from .sac_torch import critic_loss",
            ["algos/sac_jax.py:1: rlpair.algos.sac_torch.critic_loss belongs in *_torch.py"],
        ),
        (
            "algos/sac_jax.py",
            "from ..agents import agent_torch",
            ["algos/sac_jax.py:1: rlpair.agents.agent_torch belongs in *_torch.py"],
        ),
        (
            "algos/dqn.py",
            "from gymnasium.spaces import Box",
            ["algos/dqn.py:1: algos/ must not import an environment: gymnasium.spaces.Box"],
        ),
        (
            "algos/dqn.py",
            "from rlpair.loops import host",
            ["algos/dqn.py:1: algos/ must not import the loop: rlpair.loops.host"],
        ),
        ("algos/dqn_jax.py", "import hydra", ["algos/dqn_jax.py:1: algos/ must not import a command: hydra"]),
        ("algos/dqn.py", "import rlpair.train", ["algos/dqn.py:1: algos/ must not import a command: rlpair.train"]),
        ("loops/host.py", "x = 1\nif algo == 'dqn':\n    pass", ["loops/host.py:2: names dqn"]),
        ("loops/host.py", "config: SACConfig", ["loops/host.py:1: names SAC"]),
        ("loops/host.py", "module = agent_torch", ["loops/host.py:1: names torch"]),
        ("envs/jax.py", "", ["envs/jax.py:1: a module must not be named like a framework"]),
        ("checkpoint.py", "import pickle", ["checkpoint.py:1: pickle is never used"]),
    ],
)
def test_a_breach_is_found(tmp_path: Path, name: str, source: str, expected: list[str]) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(source)
    assert violations(tmp_path) == expected


def test_what_is_allowed_is_not_reported(tmp_path: Path) -> None:
    (tmp_path / "agent_jax.py").write_text("import jax\nfrom flax import linen\nfrom rlpair.algos import dqn, dqn_jax")
    (tmp_path / "make.py").write_text("import importlib\nimportlib.import_module(f'rlpair.{name}_{backend}')")
    (tmp_path / "loops").mkdir()
    (tmp_path / "loops/host.py").write_text("import gymnasium\ntransaction = 'sacrifice'")
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
