"""Seeds of a fused run that one process trains together, by vmap: numpy in, numpy out."""

import sys
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from rlpair.agents.agent_jax import (
    find_device,
    hyper_of,
    named_shapes,
    named_state,
    precision_of,
    tree_of,
    with_names,
)
from rlpair.algos.optimizers_jax import Tree
from rlpair.algos.registry import find
from rlpair.disk.tensors import Tensor, Tensors
from rlpair.envs.functional_jax import functional_env
from rlpair.loops.fused_jax import FusedState, Progress, make_fused, play
from rlpair.memory import check_run, host_bytes
from rlpair.seeding import integer, stream
from rlpair.system.workers import peak_memory
from rlpair.types import EnvSpec, State


class Saved(NamedTuple):
    """What a checkpoint of one seed holds."""

    agent: State  # by backend-free name
    rest: State  # replay, environments, episodes so far


class Chunk(NamedTuple):
    """What some rounds told, S seeds."""

    episodes: np.ndarray  # (S,) that ended
    return_sum: np.ndarray  # (S,) of those
    length_sum: np.ndarray  # (S,)
    finite: np.ndarray  # (S,) bool: rewards and observations
    metrics: dict[str, np.ndarray]  # (S,) each, of the last update


class Seeds:
    """Agents of S seeds, spread over some devices if they share them evenly."""

    def __init__(
        self, config: Any, seeds: Sequence[int], dtype: str = "float32", devices: Sequence[jax.Device] | None = None
    ) -> None:
        """Begin each agent with the parameters that a host loop of its seed begins with.

        Args:
            config: a RunConfig.
            seeds: one for each agent.
            dtype: of parameters and computation.
            devices: of one kind; None takes those that ``config.device`` comes to.
        """
        self._seeds, self._dtype, algo = list(seeds), dtype, config.algo
        placement = sharding(devices or find_devices(config.device), len(self._seeds))
        with precision_of(dtype):
            env = functional_env(config.env, dtype=dtype, env_kwargs=config.env_kwargs)
            algo.validate_spec(env.spec)
            record = find(algo.name)
            networks, make_learner = record.networks(algo, env.spec), record.make_learner("jax")
            learner = make_learner(algo, env.spec, networks, dtype=dtype, precision=config.matmul_precision)
            fused = make_fused(learner, env, algo, config.num_envs)
            self._run = jax.jit(jax.vmap(fused.run, in_axes=(0, None, None)), donate_argnums=0)
            self._play = jax.jit(jax.vmap(lambda state, key: play(learner, env, state, key, config.eval_episodes)))
            check_run(config, env.spec, networks, memory_of(list(placement.device_set)))
            params = [record.initial_params(algo, env.spec, stream(seed, "parameters")) for seed in self._seeds]
            stacked = jax.tree.map(lambda *x: jnp.stack(x), *(tree_of(p, dtype) for p in params))
            init = jax.jit(jax.vmap(fused.init, in_axes=(0, None, 0)), out_shardings=placement)
            self._state: FusedState = init(stacked, hyper_of(algo, env.spec, dtype), self._keys("fused"))
        self._spec: EnvSpec = env.spec
        self._running = deque[Progress]()  # of rounds that have begun: what they will tell

    def _keys(self, purpose: str, *more: int) -> jax.Array:  # (S,)
        return jnp.stack([jax.random.key(integer(seed, purpose, *more)) for seed in self._seeds])

    def begin(self, start: int, stop: int) -> None:
        """Have the device train through the rounds start to stop - 1, after what it is at; do not wait for it."""
        with precision_of(self._dtype):
            self._state, progress = self._run(self._state, np.int32(start), np.int32(stop))
        self._running.append(progress)

    def collect(self) -> Chunk:
        """Wait for what began first, and return what it told."""
        return Chunk(*jax.tree.map(np.asarray, tuple(self._running.popleft())))

    def run(self, start: int, stop: int) -> Chunk:
        """Train through the rounds start to stop - 1."""
        self.begin(start, stop)
        return self.collect()

    def evaluate(self, *tag: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Play greedy episodes of each agent: returns, lengths, cuts, (S, episodes). ``tag``: of their starts."""
        with precision_of(self._dtype):
            returns, lengths, cut = self._play(self._state.learner, self._keys("evaluation", *tag))
        return np.asarray(returns, np.float64), np.asarray(lengths, np.int64), np.asarray(cut)

    def get_spec(self) -> EnvSpec:
        """Return what the agents know of the environment."""
        return self._spec

    def get_shapes(self) -> tuple[Tensors, Tensors]:
        """Return the names, shapes and dtypes of one seed's Saved."""
        own = jax.eval_shape(lambda state: jax.tree.map(lambda x: x[0], state), self._state)
        rest = {name: Tensor(x.shape, np.dtype(x.dtype)) for name, x in named_leaves(rest_of(own)).items()}
        return named_shapes(own.learner) | {"rng.jax": Tensor((2,), np.dtype(np.uint32))}, rest

    def count(self) -> int:
        """Return how many seeds there are."""
        return len(self._seeds)

    def peak_memory(self) -> int:
        """Return the bytes of the host that this process has had at most."""
        return peak_memory()

    def save(self, with_rest: bool) -> list[Saved]:
        """Return for each seed what ``load`` takes; ``rest`` is {} unless it is asked for."""
        saved = [self._saved(jax.tree.map(lambda x, k=k: x[k], self._state)) for k in range(self.count())]
        return saved if with_rest else [Saved(agent, {}) for agent, _ in saved]

    def _saved(self, state: FusedState) -> Saved:
        agent = named_state(state.learner) | {"rng.jax": np.array(jax.random.key_data(state.key))}
        return Saved(agent, {name: np.array(x) for name, x in named_leaves(rest_of(state)).items()})

    def load(self, saved: Sequence[Saved]) -> None:
        """Go on from there; names, shapes and dtypes are those of ``get_shapes``."""
        states = []
        with precision_of(self._dtype):
            for k, (agent, rest) in enumerate(saved):
                own: FusedState = jax.tree.map(lambda x, k=k: x[k], self._state)
                leaves, structure = jax.tree.flatten(rest_of(own))
                leaves = [jnp.asarray(rest[name]) for name in named_leaves(rest_of(own))]
                key = jax.random.wrap_key_data(jnp.asarray(agent["rng.jax"]))
                learner = with_names(own.learner, agent)
                states.append(jax.tree.unflatten(structure, leaves)._replace(learner=learner, key=key))
            stacked = jax.tree.map(lambda *x: jnp.stack(x), *states)
            self._state = jax.device_put(stacked, self._state.obs.sharding)


def rest_of(state: FusedState) -> FusedState:
    """Return a state without what an agent's file holds."""
    return state._replace(learner=None, key=None)  # type: ignore[arg-type] # a tree with fewer leaves


def named_leaves(tree: Tree) -> dict[str, jax.Array]:
    """Return the leaves by dotted path."""

    def text(key: Any) -> str:
        return str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", None))))

    return {".".join(map(text, path)): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def find_devices(device: str) -> list[jax.Device]:
    """Find all GPUs, or the CPU. Raises ConfigError where there is none such."""
    first = find_device(device)
    return [first] if first.platform == "cpu" else jax.devices(first.platform)


def sharding(devices: Sequence[jax.Device], num_seeds: int) -> jax.sharding.Sharding:
    """Share the seeds over all devices, where that goes evenly; else put them on the first."""
    if len(devices) == 1 or num_seeds % len(devices):
        return SingleDeviceSharding(devices[0])
    return NamedSharding(Mesh(np.array(devices), ("seeds",)), PartitionSpec("seeds"))  # type: ignore[no-untyped-call]


def memory_of(devices: Sequence[jax.Device]) -> int:
    """Return the bytes that the devices have together, or this machine; sys.maxsize where they do not say it."""
    if devices[0].platform == "cpu":
        return host_bytes()
    return len(devices) * min((device.memory_stats() or {}).get("bytes_limit", sys.maxsize) for device in devices)
