"""ALE/NAME: what a step is, what training and evaluation see of it, and what is refused in one line."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from rlpair import LoopConfig, make_agent, run
from rlpair.advice import install_command
from rlpair.algos.dqn import DQNConfig
from rlpair.envs import registry
from rlpair.envs.make import make_envs, maker
from rlpair.errors import EnvError
from rlpair.evaluate import filmed
from rlpair.types import EnvSpec

ale_py = pytest.importorskip("ale_py")
cv2 = pytest.importorskip("cv2")
PONG, BREAKOUT, PACMAN = "ALE/Pong-v5", "ALE/Breakout-v5", "ALE/MsPacman-v5"
UP, DOWN = 2, 3  # of Pong's six actions; 0 does nothing


def make(env_id: str, training: bool = False, **env_kwargs: Any) -> gym.Env:
    return maker(env_id, env_kwargs, training=training)()


def test_what_a_learner_may_know_of_it() -> None:
    expected = EnvSpec((84, 84, 4), "uint8", True, 6, frame_stack=4)
    assert make_envs(PONG).spec == make_envs(PONG, training=True).spec == expected
    assert make_envs("PongNoFrameskip-v4").spec == expected


def test_a_step_is_four_frames_the_last_two_put_together_and_made_small() -> None:
    """Against the emulator itself, without sticky actions, after the no-ops that the episode began with."""
    env = make("PongNoFrameskip-v4")
    obs = env.reset(seed=3)[0]
    ale = ale_py.ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(ale_py.roms.get_rom_path("pong"))
    for _ in range(vars(env.unwrapped)["ale"].getEpisodeFrameNumber()):
        ale.act(0)
    seen = [cv2.resize(ale.getScreenGrayscale(), (84, 84), interpolation=cv2.INTER_AREA)] * 4
    np.testing.assert_array_equal(obs, np.stack(seen, -1))
    for action in (0, UP, UP, DOWN, 0, DOWN):
        screens = []
        for _ in range(4):
            ale.act(ale.getMinimalActionSet()[action])
            screens.append(ale.getScreenGrayscale())
        seen.append(cv2.resize(np.maximum(*screens[2:]), (84, 84), interpolation=cv2.INTER_AREA))
        np.testing.assert_array_equal(env.step(action)[0], np.stack(seen[-4:], -1))


def test_rewards_are_clipped_in_training_alone() -> None:
    """Ms. Pac-Man's first dots are worth 10 each."""
    rewards = {}
    for training in (True, False):
        envs = make_envs(PACMAN, training=training)
        envs.reset(0)
        rewards[training] = {float(envs.step(np.int64([3])).reward[0]) for _ in range(90)}
    assert rewards == {True: {0, 1}, False: {0, 10}}


def test_a_point_lost_is_one_less_in_training_too() -> None:
    envs = make_envs(PONG, training=True)
    envs.reset(0)
    assert {float(envs.step(np.int64([0])).reward[0]) for _ in range(120)} == {0, -1}


@pytest.mark.parametrize(
    ("env_id", "env_kwargs", "probability"),
    [(PONG, {}, 0.25), ("PongNoFrameskip-v4", {}, 0), (PONG, {"repeat_action_probability": 0.1}, 0.1)],
)
def test_sticky_actions_are_the_ids(env_id: str, env_kwargs: dict[str, Any], probability: float) -> None:
    env: Any = make(env_id, **env_kwargs).unwrapped
    assert env.ale.getFloat("repeat_action_probability") == pytest.approx(probability)


def lives_at_the_end(training: bool, **env_kwargs: Any) -> int:
    env: Any = make(BREAKOUT, training, repeat_action_probability=0, **env_kwargs)
    env.reset(seed=0)
    for step in range(2_000):
        _, _, terminated, _, info = env.step(step % 2)  # serve, and let the ball go
        if terminated:
            return int(info["lives"])
    raise AssertionError


def test_an_episode_is_a_whole_game_unless_training_is_told_otherwise() -> None:
    assert lives_at_the_end(training=True) == 0
    assert lives_at_the_end(training=True, terminal_on_life_loss=True) == 4
    assert lives_at_the_end(training=False, terminal_on_life_loss=True) == 0


def test_an_episode_with_sticky_actions_is_gone_on_with() -> None:
    """Its state lies in the emulator, which is asked for nothing: seeds and actions bring it back."""
    original, restored = (make_envs(PONG, 2, env_kwargs={"max_num_frames_per_episode": 120}) for _ in range(2))
    original.reset(0)
    rng = np.random.default_rng(0)
    ends = [original.step(original.sample_actions(rng)) for _ in range(40)]
    assert sum(int(step.truncated.sum()) for step in ends) >= 2  # so that this one began without a seed
    obs, whether = restored.load_state_dict(original.state_dict())
    assert whether.tolist() == [True, True]
    np.testing.assert_array_equal(obs, ends[-1].obs)
    for _ in range(30):
        action = original.sample_actions(rng)
        for one, other in zip(original.step(action), restored.step(action), strict=True):
            np.testing.assert_array_equal(one, other)


def test_training_learns_from_stacks_that_follow_each_other() -> None:
    config = DQNConfig(net_arch=(4,), batch_size=4, learning_starts=20, buffer_size=50)
    agent: Any = make_agent("dqn", backend="torch", env=PONG, config=config)
    training = run(agent, PONG, LoopConfig(30, log_every=10))
    assert max(record.env_steps for record in training) == 30
    batch, _ = training.replay.sample(16, 1, np.random.default_rng(0))
    np.testing.assert_array_equal(batch.obs[..., 1:], batch.next_obs[..., :3])


def test_a_film_shows_the_game_in_colour(tmp_path: Path) -> None:
    pytest.importorskip("moviepy")
    problems: list[str] = []
    envs = filmed(PONG, {"max_num_frames_per_episode": 80}, str(tmp_path / "films"), problems)
    assert envs.spec == make_envs(PONG).spec
    envs.reset(0)
    steps = 1
    while not envs.step(np.zeros(1, np.int64)).truncated[0]:
        steps += 1
    envs.close()
    assert problems == []
    film = cv2.VideoCapture(str(tmp_path / "films/rl-video-episode-0.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == steps + 1
    picture = film.read()[1]
    assert picture.shape == (210, 160, 3)
    assert (picture.max(axis=2) - picture.min(axis=2)).max() > 50  # Pong's court is brown


# --- refusals


def refusal(env_id: str, **env_kwargs: Any) -> str:
    with pytest.raises(EnvError) as error:
        make_envs(env_id, env_kwargs=env_kwargs)
    return str(error.value)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert refusal(PONG) == f"env={PONG} needs a package that is not installed: {install_command('atari')}"
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    missing = f"FileNotFoundError: [Errno 2] No such file or directory: '{tmp_path}/pong.bin'"
    assert refusal(PONG) == f"env={PONG} cannot be built: {missing}"
    monkeypatch.setattr(registry, "_is_installed", lambda module: False)
    monkeypatch.delitem(gym.registry, PONG)
    assert refusal(PONG) == (
        f"env={PONG} is not registered: such ids come with ale-py; {install_command('atari')}, "
        f"or give env=ale_py:{PONG}"
    )


def test_frames_are_skipped_once() -> None:
    assert refusal(PONG, frameskip=4).startswith(
        f"env={PONG} cannot be built with env_kwargs={{'frameskip': 4}}: ValueError: Disable frame-skipping in the "
    )


def test_it_is_not_compiled(command: Callable[..., tuple[int, str, str]]) -> None:
    code, _, errors = command("train", "algo=dqn", "backend=jax", "mode=fused", f"env={PONG}")
    assert code == 2
    assert errors == (
        f"rlpair: env='{PONG}' is not allowed: compiled environments are CartPole-v1, Pendulum-v1, Acrobot-v1, "
        "MountainCar-v0, MountainCarContinuous-v0, gymnax/NAME and brax/NAME\n"
    )
