"""TorchAgent: numpy in, numpy out, device and generator around a torch learner. Written once for all algorithms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from rlpair.agents.base import BaseAgent, Identity
from rlpair.agents.threads_torch import WATCH
from rlpair.algos.compile_torch import compiled
from rlpair.algos.learner_torch import Learner
from rlpair.algos.registry import find
from rlpair.errors import CheckpointError, ConfigError, first_line
from rlpair.seeding import integer
from rlpair.types import State, Transition, UpdateInfo


class TorchAgent(BaseAgent):
    """An algorithm in eager PyTorch."""

    backend = "torch"

    def __init__(
        self, identity: Identity, params: State, *, device: str, matmul_precision: str, compile: bool = False
    ) -> None:
        """Begin with ``params``, by name as the algorithm's ``initial_params`` has them. ``device``: auto, cpu or cuda.

        The precision of float32 products is a setting of the whole process in PyTorch, of matrices and of convolutions,
        and is set here.
        """
        super().__init__(identity)
        torch.set_float32_matmul_precision(matmul_precision)
        torch.backends.cudnn.allow_tf32 = matmul_precision == "high"
        self.device = find_device(device)
        self.rng_name = f"rng.torch.{self.device.type}"
        self.generator = torch.Generator(self.device)
        self.reseed(integer(identity.seed, "noise"))
        dtype = getattr(torch, identity.dtype)
        algorithm = find(self.config.name)
        networks, make_learner = algorithm.networks(self.config, self.spec), algorithm.make_learner("torch")
        self.learner: Learner = make_learner(self.config, self.spec, networks, dtype=dtype, device=self.device)
        self.tensors = named_tensors(self.learner)
        for name, tensor in self.tensors.items():
            if (source := name.removeprefix("target_")) in params:
                tensor.copy_(torch.as_tensor(params[source]))
        self._num_updates = 0
        if compile:
            self.learner.update = compiled(self.learner.update, self.learner.state, self.device)

    @property
    def num_updates(self) -> int:
        return self._num_updates

    @torch.inference_mode()
    def _act(self, obs: np.ndarray, explore: bool, env_steps: int, noise: Any) -> np.ndarray:
        tensor = tensor_of(obs, self.device)
        if not explore:
            action = self.learner.greedy(tensor)
        elif noise is None:
            action = self.learner.act(tensor, self.learner.act_noise(self.generator, len(obs)), env_steps)
        else:
            action = self.learner.act(tensor, self._moved(noise), env_steps)
        return action.cpu().numpy().astype(np.int32 if self.spec.discrete else np.float32, copy=False)

    def act_noise(self, num_envs: int) -> tuple[np.ndarray, ...]:
        return tuple(x.cpu().numpy() for x in self.learner.act_noise(self.generator, num_envs))

    def _moved(self, noise: Any) -> tuple[torch.Tensor, ...]:
        """Put noise that was given onto the device, its floats in the dtype of the computation."""
        tensors = [tensor_of(x, self.device) for x in noise]
        return tuple(x.to(self.learner.dtype) if x.is_floating_point() else x for x in tensors)

    def update(self, batch: Transition, *, noise: Any = None) -> UpdateInfo:
        WATCH.adapt()
        batch = each(batch, lambda x: tensor_of(x, self.device))
        leading_shape = tuple(batch.reward.shape)
        noise = self.learner.sample_noise(self.generator, leading_shape) if noise is None else self._moved(noise)
        if len(leading_shape) == 1:
            return self._update(batch, noise)
        infos = []
        for u in range(leading_shape[0]):
            infos.append(self._update(each(batch, lambda x: x[u]), tuple(x[u] for x in noise)))  # noqa: B023
        metrics = {tag: torch.stack([info.metrics[tag] for info in infos]) for tag in infos[0].metrics}
        return UpdateInfo(metrics, torch.stack([info.td_error for info in infos]))

    def _update(self, batch: Transition, noise: Any) -> UpdateInfo:
        """Return one gradient step, counted."""
        info = self.learner.update(batch, noise, self._num_updates)
        self._num_updates += 1
        return info

    def state_dict(self) -> State:
        state = {name: tensor.cpu().numpy().copy() for name, tensor in self.tensors.items()}
        counts = [name for name in state if name.startswith("optimizer.") and name.endswith(".count")]
        state |= {name: state[name].astype(np.int32) for name in counts}
        state["num_updates"] = np.array(self.num_updates, np.int32)
        state[self.rng_name] = self.generator.get_state().numpy()
        return state

    def _take_over(self, state: State) -> None:
        if self.rng_name in state:
            self._set_generator(state[self.rng_name])
        for name, tensor in self.tensors.items():
            tensor.copy_(torch.as_tensor(state[name]))
        self._num_updates = int(state["num_updates"])

    def _set_generator(self, state: np.ndarray) -> None:
        """Set the generator. Raises CheckpointError for bytes that no generator has led to."""
        if self.device.type == "cpu":
            check_mersenne_twister(state)
        try:
            self.generator.set_state(torch.as_tensor(state))
        except RuntimeError as error:
            raise CheckpointError(f"{self.rng_name} is not a state of a generator: {first_line(error)}") from error

    def reseed(self, seed: int) -> None:
        self.generator.manual_seed(seed)

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def check_mersenne_twister(state: np.ndarray) -> None:
    """Raise CheckpointError where torch, which does not check it, would read beyond its 624 words.

    ``state``: of a generator on a CPU, uint8: seed (8 bytes), words left (4), whether it is seeded (4), next word (8),
    words (8 each), normals kept back (3 of 8, whether there is one, 1 of 4).
    """
    left, seeded = state[8:16].view(np.int32)
    following = state[16:24].view(np.int64)[0]
    begins = (left, following) == (1, 0)  # as seeding leaves it
    if seeded != 1 or not (begins or (1 <= left <= 624 and left + following == 625)):
        cause = f"{left} words left, {following} the next, seeded={seeded}"
        raise CheckpointError(f"rng.torch.cpu is not a state of a generator: {cause}")
    if not (np.isfinite(state[5016:5040].view(np.float64)).all() and np.isfinite(state[5048:5052].view(np.float32)[0])):
        raise CheckpointError("rng.torch.cpu is not a state of a generator: it keeps back a number that is not finite")


def find_device(device: str) -> torch.device:
    """Find a device; auto: the GPU if there is one. Raises ConfigError for one that is not there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device", device, "PyTorch sees no GPU here; use device=cpu or device=auto")
    return torch.device("cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu"))


def tensor_of(array: Any, device: torch.device) -> torch.Tensor:
    """Return an array of any library as a tensor there: a view of it where torch can share it.

    It cannot where one is flipped, and warns where it is read-only, as are those of JAX.
    """
    if isinstance(array, np.ndarray):
        flags = array.flags
        if not flags.writeable or (not flags.c_contiguous and min(array.strides) < 0):
            array = array.copy()
    return torch.as_tensor(array, device=device)


def each(arrays: Transition, function: Callable[[Any], Any]) -> Transition:
    """Apply the function to every array that is there."""
    return Transition(*(None if x is None else function(x) for x in arrays))


def named_tensors(learner: Learner) -> dict[str, torch.Tensor]:
    """Return parameters, targets, moments and model state by backend-free name, as views in the shapes of files."""
    named: dict[str, torch.Tensor] = {}
    for params in learner.params.values():
        named |= params.named(params.vector)
    for target in learner.target_params.values():
        named |= {f"target_{name}": tensor for name, tensor in target.named(target.vector).items()}
    for net, moments in learner.moments.items():
        for slot, moment in moments.items():
            pieces = {net: moment} if slot == "count" else learner.params[net].named(moment)
            named |= {f"optimizer.{net}.{slot}{name.removeprefix(net)}": piece for name, piece in pieces.items()}
    return named | {f"model_state.{name}": tensor for name, tensor in learner.model_state.items()}
