"""python -m rlpair.parity: how far apart the twins are on this machine, from equal parameters, batches and noise.

The tests draw many more cases from the same functions, and hold them to the same tolerances
(tests/algos/test_parity.py).
"""

import itertools
import math
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rlpair.algos.base import OffPolicyConfig
from rlpair.algos.registry import algorithms, find
from rlpair.cli.command import Command
from rlpair.errors import ConfigError, EnvError
from rlpair.make import backend_module, configure_process, make_agent
from rlpair.runs.saved_config import Values
from rlpair.system.machine import versions
from rlpair.types import EnvSpec, State, Transition, UpdateInfo

BACKENDS = ("torch", "jax")
PACKAGES = ("rlpair", "torch", "jax", "flax", "optax", "numpy")

# Tolerances of the relative error max|a - b| / max|a| of a tensor.
FLOAT64 = 1e-9  # after 100 updates as after one; 1e-14 is usual, so rounding hides no difference in the algorithm
# Float32 carries 6e-8, and a loss or gradient sums a hundred terms that cancel in part: that costs two digits or three.
FLOAT32 = 1e-4  # what one set of parameters gives: values, losses, gradients, TD errors
# Adam and RMSprop divide by the root of the second moment, so an entry whose gradient is almost 0 moves by its sign:
# there rounding becomes a difference of the order of the learning rate, and a relu or an argmax may tip as well.
FLOAT32_STEPPED = 1e-2  # what comes after the first few steps of an optimizer: states, and losses
STEPPED_ROUNDING = 10.0  # after any number of steps: times what rounding makes of one twin alone, in the same run


class Case(NamedTuple):
    """An agent and the shape of its data."""

    config: Any  # DQNConfig | SACConfig
    spec: EnvSpec
    seed: int
    batch_size: int
    weighted: bool = False  # whether the batch has sample weights
    discounted: bool = False  # whether the batch brings its own discounts


Noise = tuple[np.ndarray, ...]
BEFORE_A_STEP = ("greedy action", "exploring action", "losses, update 1", "TD errors, update 1", "gradients, update 1")
EXPLORING_AT = 2_500  # env steps: half of DQN's exploration_steps, where some coins explore and some do not
ROUNDING = "rounding alone"
COLUMNS = {  # of the tables: which two agents are compared
    "float64": (("torch", "float64"), ("jax", "float64")),
    "float32": (("torch", "float32"), ("jax", "float32")),
    ROUNDING: (("torch", "float64"), ("torch", "float32")),
}
DISCRETE = EnvSpec((8,), "float32", True, 4)
BOX = EnvSpec((17,), "float32", False, 6, (-1.0,) * 6, (1.0,) * 6)
IMAGE = (36, 40, 2)  # of settings with an encoder


def data(case: Case, num_updates: int) -> tuple[Transition, Noise]:
    """Draw (U, B, ...) transitions and the noises of the updates, (U, B, A) each. Any row may be terminal."""
    rng, spec, shape = np.random.default_rng(case.seed), case.spec, (num_updates, case.batch_size)
    if levels := {"uint8": 256, "bool": 2}.get(spec.obs_dtype):
        dtype: Any = np.dtype(spec.obs_dtype)
        obs, next_obs = (rng.integers(levels, size=(*shape, *spec.obs_shape), dtype=dtype) for _ in range(2))
    else:
        obs, next_obs = (rng.normal(size=(*shape, *spec.obs_shape)).astype(np.float32) for _ in range(2))
    if spec.discrete:
        action = rng.integers(spec.action_dim, size=shape).astype(np.int32) + spec.action_start
    else:
        action = rng.uniform(spec.action_low, spec.action_high, (*shape, spec.action_dim)).astype(np.float32)
    reward = 2 * rng.normal(size=shape).astype(np.float32)
    terminated = (rng.random(shape) < 0.3).astype(np.float32)
    discount = rng.uniform(0, 0.99, shape).astype(np.float32) if case.discounted else None
    weight = rng.uniform(0.1, 2, shape).astype(np.float32) if case.weighted else None
    record = find(case.config.name)
    normal = rng.normal(size=(record.num_noises, *shape, spec.action_dim)).astype(np.float32)
    noise = (*normal, *record.other_noise(case.config, shape, rng))
    return Transition(obs, action, reward, next_obs, terminated, discount, weight), noise


def row(batch: Transition, noise: Noise, u: int) -> tuple[Transition, Noise]:
    """Return update u's (B, ...) of (U, B, ...)."""
    return Transition(*(None if x is None else x[u] for x in batch)), tuple(x[u] for x in noise)


def agent_of(case: Case, backend: str, dtype: str = "float64", device: str = "cpu") -> Any:
    """Make the agent of a case. At equal seeds both backends begin from the same parameters."""
    options = {"config": case.config, "seed": case.seed, "dtype": dtype, "device": device}
    return make_agent(case.config.name, backend=backend, env=case.spec, **options)


def without_rng(state: Mapping[str, np.ndarray]) -> State:
    """Return a state without its generator, which is each backend's own."""
    return {name: value for name, value in state.items() if not name.startswith("rng.")}


def errors(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, float]:
    """Return each tensor's relative error, by name. Raises ValueError unless both have the same names and shapes."""
    if a.keys() != b.keys():
        raise ValueError(f"only one has {', '.join(sorted(a.keys() ^ b.keys()))}")
    return {name: relative_error(np.asarray(a[name]), np.asarray(b[name])) for name in a}


def relative_error(a: np.ndarray, b: np.ndarray) -> float:
    """Return max|a - b| / max|a|; of counters 0 or infinite, and infinite where a number is not finite."""
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} differ")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.inf
    difference, scale = np.abs(a.astype(np.float64) - b).max(initial=0), np.abs(a.astype(np.float64)).max(initial=0)
    if difference == 0:
        return 0.0
    return float(difference / scale) if a.dtype.kind == "f" and scale > 0 else np.inf


def compare(case: Case, device: str, updates: int) -> dict[str, dict[str, float]]:
    """Return the largest relative error of each quantity, by column, after one update and after all of them."""
    batch, noise = data(case, updates)
    agents = {
        (backend, dtype): agent_of(case, backend, dtype, device)
        for backend in BACKENDS
        for dtype in ("float64", "float32")
    }
    obs, drawn = batch.obs[0], agents["torch", "float32"].act_noise(case.batch_size)
    kinds: dict[str, dict[str, Any]] = {"greedy action": {"explore": False}}
    kinds["exploring action"] = {"env_steps": EXPLORING_AT, "noise": drawn}
    found = {}
    for kind, arguments in kinds.items():
        actions = {which: agent.act(obs, **arguments) for which, agent in agents.items()}
        found[kind] = {column: action_error(actions[a], actions[b]) for column, (a, b) in COLUMNS.items()}
    for u in range(updates):
        one, its_noise = row(batch, noise, u)
        infos = {which: agent.update(one, noise=its_noise) for which, agent in agents.items()}
        if u not in (0, updates - 1):
            continue
        told = {which: without_rng(agent.state_dict()) | numbers(infos[which]) for which, agent in agents.items()}
        for column, (a, b) in COLUMNS.items():
            for quantity, error in grouped(errors(told[a], told[b]), u + 1).items():
                found.setdefault(quantity, {})[column] = error
    return found


def numbers(info: UpdateInfo) -> State:
    """Return what an update told, on the host."""
    values = {**info.metrics, "td_error": info.td_error}
    return {name: np.asarray(x.cpu() if hasattr(x, "cpu") else x) for name, x in values.items()}


def action_error(a: np.ndarray, b: np.ndarray) -> float:
    """Return the share of discrete actions that differs, or the relative error of others."""
    return float((a != b).mean()) if a.dtype.kind == "i" else relative_error(a, b)


def grouped(found: Mapping[str, float], update: int) -> dict[str, float]:
    """Return the largest error of each quantity. Adam's first moment after one update is a tenth of the gradient."""
    first = "gradients" if update == 1 else "first moments"
    groups = {"loss/": "losses", "train/": "losses", "td_error": "TD errors", "target_": "targets"}
    largest: dict[str, float] = {}
    for name, error in found.items():
        group = next((group for prefix, group in groups.items() if name.startswith(prefix)), "parameters")
        if name.startswith("optimizer."):
            group = first if ".mu" in name else "second moments"
        if name == "log_alpha":
            group = "log alpha"
        key = f"{group}, update {update}"
        largest[key] = max(largest.get(key, 0.0), error)
    return largest


def tolerances(quantity: str, rounding: float) -> dict[str, float]:
    """Return what errors of such a quantity may be, by column; ``rounding`` is what float32 makes of one twin alone."""
    in_float32 = FLOAT32 if quantity in BEFORE_A_STEP else max(FLOAT32, STEPPED_ROUNDING * rounding)
    return {"float64": FLOAT64, "float32": in_float32}


@dataclass(frozen=True)
class ParityConfig:
    """Settings of ``python -m rlpair.parity``."""

    seeds: int = 3
    """Of parameters and data; the largest error over them is shown."""
    updates: int = 100
    """Gradient updates, one after the other."""
    batch_size: int = 256
    """Transitions in a minibatch."""
    algo: tuple[str, ...] | None = None
    """Algorithms: a list; null: all that there are. module:name imports the module, which registers it."""

    def __post_init__(self) -> None:
        for key, least in (("seeds", 1), ("updates", 2), ("batch_size", 1)):
            if getattr(self, key) < least:
                raise ConfigError(key, getattr(self, key), f"a whole number >= {least}")


def devices() -> list[str]:
    """Return cpu, and cuda where both frameworks see a GPU."""
    both = all(backend_module("agents.runtime", backend).has_gpu("cuda") for backend in BACKENDS)
    return ["cpu", "cuda"] if both else ["cpu"]


def cases(algo: Sequence[str] | None) -> dict[str, OffPolicyConfig]:
    """Return the settings that are shown, by their heading, of some algorithms; None: of all."""
    records = algorithms() if algo is None else [find(name) for name in algo]
    return {heading: config for record in records for heading, config in record.parity.items()}


def spec_for(config: OffPolicyConfig) -> EnvSpec:
    """Return an environment of the kind that such settings learn."""
    try:
        config.validate_spec(spec := DISCRETE)
    except EnvError:
        spec = BOX
    return spec if config.encoder in ("none", "auto") else spec._replace(obs_shape=IMAGE, obs_dtype="uint8")


def task(values: Values, given: set[str]) -> int:
    """Print the tables. Returns 1 where a tolerance is exceeded, else 0."""
    config = ParityConfig(**values)
    shown = cases(config.algo)
    widest = max(shown.values(), key=lambda settings: settings.threads)
    for backend in BACKENDS:
        configure_process(backend, widest)
    print(heading(config))
    count, exceeded = 0, list[str]()
    for device, (name, settings) in itertools.product(devices(), shown.items()):
        rows: dict[str, dict[str, float]] = {}
        for seed in range(config.seeds):
            case = Case(settings, spec_for(settings), seed, config.batch_size)
            for quantity, found in compare(case, device, config.updates).items():
                rows[quantity] = {c: max(error, rows.get(quantity, {}).get(c, 0.0)) for c, error in found.items()}
        off = [(quantity, column) for quantity, found in rows.items() for column in outside(quantity, found)]
        count += 2 * len(rows)
        exceeded += [f"{name} on {device}: {which}, {column}: {rows[which][column]:.1e}" for which, column in off]
        print(f"\n## {name}, {device}\n\n{table(rows)}", flush=True)
    print(f"\n{count - len(exceeded)} of {count} comparisons within their tolerance.")
    for line in exceeded:
        print(f"rlpair: exceeds its tolerance: {line}", file=sys.stderr)
    return 1 if exceeded else 0


def outside(quantity: str, found: Mapping[str, float]) -> list[str]:
    """Return the columns that exceed their tolerance; an error that is not finite does, whatever rounding makes."""
    allowed = tolerances(quantity, found[ROUNDING])
    return [column for column, most in allowed.items() if not (math.isfinite(found[column]) and found[column] <= most)]


def table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Write a Markdown table: a row a quantity; what exceeds its tolerance is marked."""
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for quantity, found in rows.items():
        marks = outside(quantity, found)
        cells = [f"{found[column]:.1e}" + (" (!)" if column in marks else "") for column in COLUMNS]
        lines.append(f"| {quantity} | {' | '.join(cells)} |")
    return "\n".join(lines)


def heading(config: ParityConfig) -> str:
    """Return what the tables show, and the versions."""
    found = versions()
    named = ", ".join(f"{name} {found[name]}" for name in PACKAGES)
    return f"""# The twins compared

Largest relative error, max|a - b| / max|a| of a tensor, between torch and jax, from equal parameters, batches of
{config.batch_size} and noise, over {config.seeds} seeds. Of discrete actions the share that differs is shown.

Allowed in float64: {FLOAT64:.0e}. Allowed in float32: {FLOAT32:.0e} for what equal parameters give (actions;
losses, TD errors and gradients of update 1). What follows an optimizer's step has no such bound in float32: where a
gradient is almost 0, Adam turns rounding into a step of the learning rate, and a hundred updates amplify it. The last
column is the measure there, torch in float32 against torch in float64: {STEPPED_ROUNDING:.0f} times as much is allowed.

Written by `python -m rlpair.parity`, Python {platform.python_version()}, {platform.machine()}, {named}."""


def main() -> None:
    """Run the command; exit with its code."""
    sys.exit(Command("parity", ParityConfig, task).main())


if __name__ == "__main__":
    main()
