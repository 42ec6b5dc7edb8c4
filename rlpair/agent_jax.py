"""JaxAgent: numpy in, numpy out, jit, donation and scan around a pure learner. Written once for all algorithms."""

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rlpair.agent import FINAL_STEP, BaseAgent, Identity
from rlpair.algos import dqn, dqn_jax, sac, sac_jax
from rlpair.algos.learner_jax import Learner, LearnerState, Tree
from rlpair.errors import ConfigError
from rlpair.seeding import integer
from rlpair.types import EnvSpec, State, Transition, UpdateInfo

LEARNERS: dict[str, Any] = {"dqn": dqn_jax.make_learner, "sac": sac_jax.make_learner}
HYPERPARAMETERS: dict[str, Any] = {"dqn": dqn.hyperparameters, "sac": sac.hyperparameters}


class JaxAgent(BaseAgent):
    """An algorithm in compiled JAX."""

    backend = "jax"
    rng_name = "rng.jax"

    def __init__(self, identity: Identity, params: State, *, device: str, matmul_precision: str) -> None:
        """``params``: by backend-free name, of the algorithm's ``initial_params``. ``device``: auto, cpu or cuda."""
        super().__init__(identity)
        self.device = find_device(device)
        with self._precision():
            self.learner, state = make_state(self.config, self.spec, params, self.dtype, matmul_precision)
            self.state = jax.device_put(state, self.device)
        self.key: jax.Array
        self.reseed(integer(identity.seed, "noise"))
        self._num_updates = 0
        self._greedy = jax.jit(self.learner.greedy)
        self._act = jax.jit(partial(act, self.learner), donate_argnames="key")
        self._update = jax.jit(partial(update, self.learner), donate_argnames=("state", "key"))
        self._update_given = jax.jit(partial(update_given, self.learner), donate_argnames="state")

    def _precision(self) -> AbstractContextManager[Any]:  # JAX makes float64 float32 unless told otherwise
        return jax.enable_x64(True) if self.dtype == "float64" else nullcontext()

    @property
    def num_updates(self) -> int:
        return self._num_updates

    def act(self, obs: np.ndarray, *, explore: bool = True, env_steps: int | None = None) -> np.ndarray:
        with self._precision():
            if explore:
                steps = np.int32(FINAL_STEP if env_steps is None else env_steps)
                action, self.key = self._act(self.state, obs, key=self.key, env_steps=steps)
            else:
                action = self._greedy(self.state.params, obs)
        return np.asarray(action).astype(np.int32 if self.spec.discrete else np.float32, copy=False)

    def update(self, batch: Transition, *, noise: Any = None) -> UpdateInfo:
        with self._precision():
            if noise is None:
                self.state, self.key, info = self._update(state=self.state, key=self.key, batch=batch)
            else:
                self.state, info = self._update_given(state=self.state, batch=batch, noise=tuple(noise))
        self._num_updates += 1 if batch.reward.ndim == 1 else batch.reward.shape[0]
        return info

    def state_dict(self) -> State:
        named = {name: np.array(leaf) for name, leaf in zip(*named_leaves(self.state), strict=True) if name}
        return named | {"rng.jax": np.array(jax.random.key_data(self.key))}

    def _take_over(self, state: State) -> None:
        with self._precision():
            names, leaves = named_leaves(self.state)
            new = [jnp.asarray(state[name]) if name else leaf for name, leaf in zip(names, leaves, strict=True)]
            self.state = jax.device_put(jax.tree.unflatten(jax.tree.structure(self.state), new), self.device)
        if "rng.jax" in state:
            self.key = jax.device_put(jax.random.wrap_key_data(jnp.asarray(state["rng.jax"])), self.device)
        self._num_updates = int(state["num_updates"])

    def reseed(self, seed: int) -> None:
        self.key = jax.device_put(jax.random.key(seed), self.device)

    def synchronize(self) -> None:
        jax.block_until_ready((self.state, self.key))  # type: ignore[no-untyped-call]


def act(learner: Learner, state: LearnerState, obs: jax.Array, key: jax.Array, env_steps: jax.Array) -> Any:
    """The exploring action and the next key: drawing inside the compiled function saves two dispatches."""
    key, subkey = jax.random.split(key)
    return learner.act(state, obs, subkey, env_steps), key


def update(learner: Learner, state: LearnerState, key: jax.Array, batch: Transition) -> Any:
    """As update_given, with noise from the key. Returns the state, the next key and the UpdateInfo."""
    key, subkey = jax.random.split(key)
    state, info = update_given(learner, state, batch, learner.sample_noise(subkey, batch.reward.shape))
    return state, key, info


def update_given(
    learner: Learner, state: LearnerState, batch: Transition, noise: Tree
) -> tuple[LearnerState, UpdateInfo]:
    """One gradient step on (B, ...), or a scan of U steps on (U, B, ...)."""
    if batch.reward.ndim == 1:
        return learner.update(state, batch, noise)
    return jax.lax.scan(lambda state, inputs: learner.update(state, *inputs), state, (batch, noise))


def make_state(config: Any, spec: EnvSpec, params: State, dtype: str, precision: str) -> tuple[Learner, LearnerState]:
    """A learner and its first state, for those who jit, scan and vmap it themselves."""
    learner = LEARNERS[config.name](config, spec, dtype=dtype, precision=precision)
    hyper = HYPERPARAMETERS[config.name](config, spec)
    hyper = jax.tree.map(lambda x: jnp.asarray(x, dtype), hyper)
    return learner, learner.init(tree_of(params, dtype), hyper)


def tree_of(params: State, dtype: str) -> dict[str, Tree]:
    """Parameters by name -> by net, a tuple of networks: ``critic.0.1.weight`` is ``["critic"][0]["1"]["kernel"]``."""
    tree: dict[str, Any] = {}
    for name, value in params.items():
        net, *path = name.split(".")
        leaf = jnp.asarray(value, dtype)
        if not path:
            tree[net] = leaf
            continue
        index, layer, kind = path
        layers = tree.setdefault(net, {}).setdefault(int(index), {})
        layers.setdefault(layer, {})[{"weight": "kernel"}.get(kind, kind)] = leaf
    return {net: tuple(x[i] for i in sorted(x)) if isinstance(x, dict) else x for net, x in tree.items()}


def named_leaves(state: LearnerState) -> tuple[list[str], list[jax.Array]]:
    """The leaves of a state and their backend-free names; "" for hyperparameters, which belong to the configuration."""
    prefixes = {"params": "", "target_params": "target_", "opt_state": "optimizer.", "num_updates": "num_updates"}
    names, leaves = [], []
    for (field, *path), leaf in jax.tree_util.tree_leaves_with_path(state):
        parts = [str(getattr(k, "name", getattr(k, "key", getattr(k, "idx", None)))) for k in path]
        name = prefixes.get(field.name)
        names.append("" if name is None else name + ".".join(parts).replace("kernel", "weight"))
        leaves.append(leaf)
    return names, leaves


def find_device(device: str) -> jax.Device:
    """auto: the GPU if there is one. Raises ConfigError for one that is not there."""
    try:
        return jax.devices({"auto": None, "cuda": "cuda", "cpu": "cpu"}[device])[0]
    except RuntimeError:
        raise ConfigError("device", device, "JAX sees no GPU here; use device=cpu or device=auto") from None
