"""MinAtar/NAME on the host: planes of bools, sticky actions as published, episodes that are gone on with, films."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlpair import DQNConfig, LoopConfig, make_agent, run
from rlpair.envs.make import make_envs, maker
from rlpair.evaluate import filmed
from rlpair.types import EnvSpec

pytest.importorskip("minatar")
BREAKOUT = "MinAtar/Breakout-v1"


@pytest.mark.parametrize(
    ("name", "channels", "actions"),
    [("Breakout", 4, 3), ("Asterix", 4, 5), ("Freeway", 7, 3), ("SpaceInvaders", 6, 4), ("Seaquest", 10, 6)],
)
def test_planes_of_bools(name: str, channels: int, actions: int) -> None:
    envs = make_envs(f"MinAtar/{name}-v1")
    assert envs.spec == EnvSpec((10, 10, channels), "bool", True, actions)
    assert envs.reset(0).dtype == bool
    assert make_envs(f"MinAtar/{name}-v1", training=True).spec == envs.spec


def test_an_image_is_height_width_channel() -> None:
    obs = make_envs(BREAKOUT).reset(0)[0]
    assert obs[1:4, :, 3].all()  # the wall of bricks
    assert np.argwhere(obs[:, :, 0]).tolist() == [[9, 4]]  # the paddle


@pytest.mark.parametrize(("env_kwargs", "probability"), [({}, 0.1), ({"sticky_action_prob": 0.0}, 0.0)])
def test_sticky_actions_are_minatars(env_kwargs: dict[str, Any], probability: float) -> None:
    env: Any = maker(BREAKOUT, env_kwargs, training=True)().unwrapped
    assert env.game.sticky_action_prob == probability


def test_an_episode_is_gone_on_with() -> None:
    original, restored = make_envs(BREAKOUT, 3), make_envs(BREAKOUT, 3)
    original.reset(0)
    rng = np.random.default_rng(0)
    steps = [original.step(original.sample_actions(rng)) for _ in range(150)]
    assert np.all([step.terminated for step in steps], axis=0).sum() == 0
    assert np.any([step.terminated for step in steps], axis=0).all()  # so that these began without a seed
    obs, whether = restored.load_state_dict(original.state_dict())
    assert whether.all()
    np.testing.assert_array_equal(obs, steps[-1].obs)
    for _ in range(150):
        action = original.sample_actions(rng)
        for one, other in zip(original.step(action), restored.step(action), strict=True):
            np.testing.assert_array_equal(one, other)


def test_episodes_differ_and_the_same_seed_plays_the_same_ones() -> None:
    def lengths(seed: int) -> list[int]:
        envs, rng = make_envs(BREAKOUT), np.random.default_rng(0)
        envs.reset(seed)
        return np.flatnonzero([envs.step(envs.sample_actions(rng)).terminated[0] for _ in range(300)]).tolist()

    assert lengths(0) == lengths(0)
    assert lengths(0) != lengths(1)
    assert len(set(np.diff(lengths(0)))) > 2


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_dqn_trains_on_planes(backend: str) -> None:
    config = DQNConfig(net_arch=(8,), batch_size=8, learning_starts=30, buffer_size=100)
    agent: Any = make_agent("dqn", backend=backend, env=BREAKOUT, config=config)
    training = run(agent, BREAKOUT, LoopConfig(60, log_every=20))
    assert max(record.env_steps for record in training) == 60
    assert training.replay.sample(4, 1, np.random.default_rng(0))[0].obs.dtype == bool


def test_a_film_has_pixels(tmp_path: Path) -> None:
    pytest.importorskip("moviepy")
    problems: list[str] = []
    envs = filmed(BREAKOUT, {}, str(tmp_path / "films"), problems)
    envs.reset(0)
    while not envs.step(np.zeros(1, np.int64)).terminated[0]:
        pass
    envs.close()
    assert problems == []
    assert (tmp_path / "films/rl-video-episode-0.mp4").stat().st_size > 0
    picture: Any = maker(BREAKOUT, {"render_mode": "rgb_array"}, training=False)()
    picture.reset(seed=0)
    frame = picture.render()
    assert (frame.shape, frame.dtype, frame[:16].max()) == ((160, 160, 3), np.uint8, 0)
    assert len(np.unique(frame[16:32, :, 0])) == 1  # a row of bricks has one colour
    assert frame[16, 0].max() > 100
    np.testing.assert_array_equal(frame[::16, ::16], np.rint(np.asarray(picture.env.render()) * 255))
    assert picture.metadata["render_fps"] == 10
