"""JaxAgent: numpy in, numpy out, jit, donation and scan around a pure learner. Written once for all algorithms."""

import math
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlpair.agents.base import BaseAgent, Identity
from rlpair.agents.packing_jax import Packed, Packing
from rlpair.algos.learner_jax import Learner, LearnerState, update_many
from rlpair.algos.optimizers_jax import Tree
from rlpair.algos.registry import find
from rlpair.disk.tensors import Tensor
from rlpair.errors import ConfigError
from rlpair.seeding import integer
from rlpair.types import EnvSpec, State, Transition, UpdateInfo

# XLA's schedule for a CPU hands kernels to other threads, which costs more than small networks give them to do.
ONE_THREAD = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}


class JaxAgent(BaseAgent):
    """An algorithm in compiled JAX."""

    backend = "jax"
    rng_name = "rng.jax"
    _packed: Packed
    _key_data: jax.Array  # (2,) uint32; a typed key would leave the fast path of a compiled call

    def __init__(self, identity: Identity, params: State, *, device: str, matmul_precision: str) -> None:
        """Begin with ``params``, by name as ``initial_params`` has them. ``device``: auto, cpu or cuda."""
        super().__init__(identity)
        self.device = find_device(device)
        with self._precision():
            self.learner, state = make_state(self.config, self.spec, params, self.dtype, matmul_precision)
            packing = Packing(state)
            self._unpack = jax.jit(packing.unpack)
            self._pack = jax.jit(packing.pack)
            self.state = state
        self.reseed(integer(identity.seed, "noise"))
        self._num_updates = 0
        self._compile(packing)

    def _compile(self, packing: Packing) -> None:
        learner = self.learner

        def greedy(packed: Packed, obs: jax.Array) -> jax.Array:
            return learner.greedy(packing.unpack(packed), obs)

        def act(packed: Packed, key_data: jax.Array, obs: jax.Array, env_steps: jax.Array) -> Any:
            noise, key_data = act_noise(key_data, len(obs))
            return act_given(packed, obs, noise, env_steps), key_data

        def act_noise(key_data: jax.Array, n: int) -> tuple[Tree, jax.Array]:
            key, subkey = jax.random.split(jax.random.wrap_key_data(key_data))
            return learner.act_noise(subkey, n), jax.random.key_data(key)

        def act_given(packed: Packed, obs: jax.Array, noise: Tree, env_steps: jax.Array) -> jax.Array:
            return learner.act(packing.unpack(packed), obs, cast_floats(noise, self.dtype), env_steps)

        def update(packed: Packed, key_data: jax.Array, batch: Transition) -> Any:
            key, subkey = jax.random.split(jax.random.wrap_key_data(key_data))
            noise = learner.sample_noise(subkey, batch.reward.shape)
            return *update_given(packed, batch, noise), jax.random.key_data(key)

        def update_given(packed: Packed, batch: Transition, noise: Tree) -> tuple[Packed, UpdateInfo]:
            advance = learner.update if batch.reward.ndim == 1 else partial(update_many, learner)
            state, info = advance(packing.unpack(packed), batch, cast_floats(noise, self.dtype))
            return packing.pack(state), info

        small = self.device.platform == "cpu" and self.config.threads == 1
        options = one_thread() if small else None
        # Where products keep several threads busy, XLA's loop over updates takes up to four times as long as they do
        # one by one: its threads get into each other's way. To call it for each costs such an update two percent.
        self._one_by_one = self.device.platform == "cpu" and self.config.threads > 1
        self._stack = jax.jit(lambda infos: jax.tree.map(lambda *x: jnp.stack(x), *infos))
        self._greedy = jax.jit(greedy, compiler_options=options)
        self._explore = jax.jit(act, donate_argnums=1, compiler_options=options)
        self._explore_given = jax.jit(act_given, compiler_options=options)
        self._act_noise = jax.jit(act_noise, static_argnums=1, donate_argnums=0)
        self._update = jax.jit(update, donate_argnums=(0, 1), compiler_options=options)
        self._update_given = jax.jit(update_given, donate_argnums=0, compiler_options=options)

    @property
    def state(self) -> LearnerState:
        """What the learner's functions take, for those who go on with them; a copy, on the device."""
        with self._precision():
            return self._unpack(self._packed)

    @state.setter
    def state(self, state: LearnerState) -> None:
        with self._precision():
            self._packed = jax.device_put(self._pack(state), self.device)

    def _precision(self) -> AbstractContextManager[Any]:
        return precision_of(self.dtype)

    @property
    def num_updates(self) -> int:
        return self._num_updates

    def _act(self, obs: np.ndarray, explore: bool, env_steps: int, noise: Any) -> np.ndarray:
        with self._precision():
            if not explore:
                action = self._greedy(self._packed, obs)
            elif noise is None:
                action, self._key_data = self._explore(self._packed, self._key_data, obs, np.int32(env_steps))
            else:
                action = self._explore_given(self._packed, obs, tuple(noise), np.int32(env_steps))
        # a copy: JAX's own array is read-only, and an environment may change its action
        return np.asarray(action).astype(np.int32 if self.spec.discrete else np.float32)

    def act_noise(self, num_envs: int) -> tuple[np.ndarray, ...]:
        with self._precision():
            noise, self._key_data = self._act_noise(self._key_data, num_envs)
        return tuple(map(np.array, noise))

    def update(self, batch: Transition, *, noise: Any = None) -> UpdateInfo:
        if self._one_by_one and batch.reward.ndim == 2 and len(batch.reward) > 1:
            rows = [jax.tree.map(lambda x: x[u], (batch, noise)) for u in range(len(batch.reward))]  # noqa: B023
            infos = [self.update(row, noise=its_noise) for row, its_noise in rows]
            with self._precision():
                return self._stack(infos)
        with self._precision():
            if noise is None:
                self._packed, info, self._key_data = self._update(self._packed, self._key_data, batch)
            else:
                self._packed, info = self._update_given(self._packed, batch, tuple(noise))
        self._num_updates += 1 if batch.reward.ndim == 1 else batch.reward.shape[0]
        return info

    def state_dict(self) -> State:
        return named_state(self.state) | {"rng.jax": np.array(self._key_data)}

    def _take_over(self, state: State) -> None:
        with self._precision():
            self.state = with_names(self.state, state)
        if "rng.jax" in state:
            self._key_data = jax.device_put(state["rng.jax"], self.device)
        self._num_updates = int(state["num_updates"])

    def reseed(self, seed: int) -> None:
        self._key_data = jax.device_put(jax.random.key_data(jax.random.key(seed)), self.device)

    def synchronize(self) -> None:
        jax.block_until_ready((self._packed, self._key_data))  # type: ignore[no-untyped-call]


def cast_floats(noise: Tree, dtype: str) -> Tree:
    """Cast noise: its floats to the dtype of the computation."""
    return jax.tree.map(lambda x: x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x, noise)


@cache
def one_thread() -> dict[str, str] | None:
    """Return the compiler option for one thread, if this XLA has it."""
    try:
        jax.jit(lambda: 0, compiler_options=ONE_THREAD)()
    except jax.errors.JaxRuntimeError:
        return None
    return ONE_THREAD


def make_state(config: Any, spec: EnvSpec, params: State, dtype: str, precision: str) -> tuple[Learner, LearnerState]:
    """Make a learner and its first state, for those who jit, scan and vmap it themselves."""
    algorithm = find(config.name)
    networks, make_learner = algorithm.networks(config, spec), algorithm.make_learner("jax")
    learner: Learner = make_learner(config, spec, networks, dtype=dtype, precision=precision)
    return learner, learner.init(tree_of(params, dtype), hyper_of(config, spec, dtype))


def hyper_of(config: Any, spec: EnvSpec, dtype: str) -> Tree:
    """Return the hyperparameters that live in a learner's state: a NamedTuple of () arrays."""
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), find(config.name).hyperparameters(config, spec))


def precision_of(dtype: str) -> AbstractContextManager[Any]:
    """Return the context to compute with that dtype in: JAX makes float64 float32 unless it is told otherwise."""
    return jax.enable_x64(True) if dtype == "float64" else nullcontext()


def tree_of(params: State, dtype: str) -> dict[str, Tree]:
    """Nest parameters by net, a tuple of networks: ``critic.0.1.weight`` is ``["critic"][0]["1"]["weight"]``."""
    tree: dict[str, Any] = {}
    for name, value in params.items():
        net, *path = name.split(".")
        leaf = jnp.asarray(value, dtype)
        if not path:
            tree[net] = leaf
            continue
        index, *layers, kind = path
        inside = tree.setdefault(net, {}).setdefault(int(index), {})
        for layer in layers:
            inside = inside.setdefault(layer, {})
        inside[kind] = leaf
    return {net: tuple(x[i] for i in sorted(x)) if isinstance(x, dict) else x for net, x in tree.items()}


def named_state(state: LearnerState) -> State:
    """Return a state by backend-free names, without hyperparameters."""
    named: State = {}
    for leaf, pieces in zip(jax.tree.leaves(state), named_pieces(state), strict=True):
        ends = np.cumsum([math.prod(shape) for _, shape in pieces])
        for (name, shape), values in zip(pieces, np.split(np.array(leaf).ravel(), ends)[:-1], strict=True):
            named[name] = values.reshape(shape)
    return named


def named_shapes(state: LearnerState) -> dict[str, Tensor]:
    """Return what named_state gives of a state, or of the shapes of one, without the numbers."""
    leaves = zip(jax.tree.leaves(state), named_pieces(state), strict=True)
    return {name: Tensor(shape, np.dtype(leaf.dtype)) for leaf, pieces in leaves for name, shape in pieces}


def with_names(state: LearnerState, named: State) -> LearnerState:
    """Undo ``named_state``; hyperparameters, shapes and dtypes are those of ``state``."""
    leaves, structure = jax.tree.flatten(state)
    for number, pieces in enumerate(named_pieces(state)):
        if pieces:
            joined = np.concatenate([named[name].ravel() for name, _ in pieces])
            leaves[number] = jnp.asarray(joined.reshape(leaves[number].shape))
    taken: LearnerState = jax.tree.unflatten(structure, leaves)
    return taken


def named_pieces(state: LearnerState) -> list[list[tuple[str, tuple[int, ...]]]]:
    """Return for each leaf of a state the backend-free names and shapes of what it holds, joined in this order.

    A leaf of moments holds those of all parameters of a net; one of hyperparameters, which belong to the configuration,
    none; any other is one piece.
    """

    def text(path: Any) -> str:
        return jax.tree_util.keystr(tuple(path), simple=True, separator=".")

    prefixes = {"params": "", "target_params": "target_", "opt_state": "optimizer.", "model_state": "model_state."}
    pieces: list[list[tuple[str, tuple[int, ...]]]] = []
    for (field, *path), leaf in jax.tree_util.tree_leaves_with_path(state):
        if field.name == "hyper":
            pieces.append([])
        elif field.name == "opt_state" and leaf.ndim == 1:
            inside = jax.tree_util.tree_leaves_with_path(state.params[path[0].key])
            pieces.append([(f"optimizer.{text([*path, *rest])}", x.shape) for rest, x in inside])
        else:
            pieces.append([(prefixes.get(field.name, field.name) + text(path), leaf.shape)])
    return pieces


def find_device(device: str) -> jax.Device:
    """Find a device; auto: the GPU if there is one. Raises ConfigError for one that is not there."""
    try:
        return jax.devices({"auto": None, "cuda": "cuda", "cpu": "cpu"}[device])[0]
    except RuntimeError:
        raise ConfigError("device", device, "JAX sees no GPU here; use device=cpu or device=auto") from None
