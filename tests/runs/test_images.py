"""Runs on images: what is said of them, what is refused in one line, and that a checkpoint of them crosses."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from pixel_envs import Clock

from rlpair import EnvSpec, load_agent
from rlpair.envs.frames import StackFrames
from rlpair.replay.buffer import replay_bytes

Call = Callable[..., tuple[int, str, str]]
SMALL = ["algo=dqn", "total_timesteps=30", "algo.learning_starts=10", "algo.buffer_size=50", "algo.batch_size=4"]
SHORT = [*SMALL, "algo.net_arch=[]", "run_dir=run"]


class Picture(gym.Env[np.ndarray, Any]):
    """An image of noise; the reward is for the action 1. An episode has five steps."""

    action_space = spaces.Discrete(2)

    def __init__(self, shape: tuple[int, ...], dtype: str = "uint8") -> None:
        self.observation_space = spaces.Box(0, 255, tuple(shape), np.dtype(dtype).type)
        self.count = 0

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(**kwargs)
        self.count = 0
        return self._look(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.count += 1
        return self._look(), float(action == 1), self.count == 5, False, {}

    def _look(self) -> np.ndarray:
        space = self.observation_space
        return self.np_random.integers(256, size=space.shape or ()).astype(space.dtype)


gym.register("images/Picture-v0", Picture)


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_run_says_which_encoder_its_images_go_through_and_the_other_backend_goes_on(
    backend: str, command: Call
) -> None:
    code, _, err = command("train", *SHORT, f"backend={backend}", "env=images/Picture-v0", "env_kwargs.shape=[9,8,3]")
    assert code == 0, err
    replay = replay_bytes(50, 1, EnvSpec((9, 8, 3), "uint8", True, 2))
    assert (
        "rlpair: image observations (9, 8, 3) go through algo.encoder=minatar: 1 convolution, then 128 features; "
        f"their replay takes {replay:,} bytes once it is full" in err.splitlines()
    )
    other = {"torch": "jax", "jax": "torch"}[backend]
    code, _, err = command("train", "resume=run", f"backend={other}", "total_timesteps=40")
    assert code == 0, err


class Dashboard(Picture):
    """An image, and two numbers beside it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        numbers = spaces.Box(-1, 1, (2,))
        self.observation_space = spaces.Dict(numbers=numbers, image=self.observation_space)  # type: ignore[assignment]

    def _look(self) -> Any:
        return self.observation_space.sample()


gym.register("images/Dashboard-v0", lambda **kwargs: Dashboard(**kwargs))


def test_an_image_beside_numbers_is_learned_from_and_crosses(command: Call) -> None:
    code, _, err = command("train", *SHORT, "backend=torch", "env=images/Dashboard-v0", "env_kwargs.shape=[4,5,1]")
    assert code == 0, err
    way = "through algo.encoder=minatar: 1 convolution, 2 numbers beside them, then 130 features"
    assert f"rlpair: image observations (4, 5, 1) go {way}; " in err
    assert load_agent("run").spec.parts == ((2,), (4, 5, 1))
    code, _, err = command("train", "resume=run", "backend=jax", "total_timesteps=40")
    assert code == 0, err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["env=CartPole-v1", "algo.encoder=nature"],
            "algo.encoder='nature' is not allowed: none with observations (4,) of float32: "
            "an image is (height, width, channels)",
        ),
        (
            ["env=images/Picture-v0", "env_kwargs.shape=[300,300,3]"],
            "algo.encoder='auto' is not allowed: none with observations (300, 300, 3) of uint8: "
            "an image has at most 65,536 pixels, as 256 x 256 has: gymnasium.wrappers.ResizeObservation makes it "
            "smaller",
        ),
        (
            ["env=images/Picture-v0", "env_kwargs.shape=[20,20,3]", "env_kwargs.dtype=float32"],
            "algo.encoder='auto' is not allowed: none with observations (20, 20, 3) of float32: an image is uint8 or "
            "bool; gymnasium.wrappers.TransformObservation can make it so",
        ),
        (
            ["env=images/Picture-v0", "env_kwargs.shape=[3,20,20]"],
            "algo.encoder='auto' is not allowed: none with observations (3, 20, 20) of uint8: its channels come first, "
            "and an image is (height, width, channels): np.moveaxis(obs, 0, -1) in "
            "gymnasium.wrappers.TransformObservation makes it (20, 20, 3)",
        ),
    ],
)
def test_what_no_encoder_takes_is_one_line(arguments: list[str], message: str, command: Call) -> None:
    code, _, err = command("train", *SHORT, "backend=torch", *arguments)
    assert code == 2
    assert err.splitlines()[-1] == f"rlpair: {message}"


gym.register("images/Stacked-v0", lambda frames, **kwargs: StackFrames(Clock(**kwargs), frames))


@pytest.mark.parametrize(
    ("frames", "shape", "its", "ours"),
    [(3, "[4,5]", "obs_shape=(4, 5, 4)", "obs_shape=(4, 5, 3)"), (2, "[4,5,2]", "frame_stack=4", "frame_stack=2")],
)
def test_stacks_of_another_length_than_the_checkpoints_are_refused(
    frames: int, shape: str, its: str, ours: str, command: Call
) -> None:
    own = ["env=images/Stacked-v0", "env_kwargs.frames=4", "env_kwargs.shape=[4,5]"]
    code, _, err = command("train", *SHORT, "backend=torch", *own)
    assert code == 0, err
    others = [f"env_kwargs.frames={frames}", f"env_kwargs.shape={shape}"]
    code, out, err = command("train", "resume=run", "total_timesteps=40", *others)
    line = f"rlpair: run/checkpoints/step_30: its agent is of an environment with {its}, and this one has {ours}"
    assert (code, out, err.splitlines()[-1]) == (2, "", line)
