"""evaluate_agent, as importers call it."""

from typing import Any

import gymnasium as gym
import pytest
import toy_envs  # noqa: F401 - registers toy/...
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from loop_fakes import FakeAgent, Stairs

import rlpair
from rlpair.errors import ConfigError, EnvFailedError


def vector_env() -> SyncVectorEnv:
    return SyncVectorEnv([lambda: Stairs(3)] * 2, autoreset_mode=AutoresetMode.SAME_STEP)


gym.register("training/Stairs-v0", Stairs, kwargs={"length": 3})


@pytest.mark.parametrize(
    "env", ["training/Stairs-v0", Stairs(3), lambda: Stairs(3), vector_env], ids=["id", "env", "function", "vector"]
)
def test_evaluate_agent(env: Any) -> None:
    result = rlpair.evaluate_agent(FakeAgent(), env() if env is vector_env else env, episodes=3)
    assert isinstance(result, rlpair.Evaluation)
    assert (result.returns.tolist(), result.lengths.tolist()) == ([6, 6, 6], [3, 3, 3])


def test_evaluate_agent_plays_the_same_episodes_for_the_same_seed() -> None:
    agent = FakeAgent(spec=rlpair.EnvSpec((2,), "float32", True, 3))
    first, again, other = (rlpair.evaluate_agent(agent, "toy/Counter-v0", 8, seed).returns for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()
    assert len(rlpair.evaluate_agent(agent, "toy/Counter-v0").returns) == 20


def test_evaluate_agent_closes_what_it_made_and_nothing_else() -> None:
    class Closing(Stairs):
        closed = 0

        def close(self) -> None:
            Closing.closed += 1

    env = Closing(3)
    rlpair.evaluate_agent(FakeAgent(), env, episodes=1)
    assert Closing.closed == 0
    rlpair.evaluate_agent(FakeAgent(), lambda: Closing(3), episodes=1)
    assert Closing.closed == 1

    class Failing(Closing):
        def step(self, action: Any) -> Any:
            raise ValueError

    with pytest.raises(EnvFailedError):
        rlpair.evaluate_agent(FakeAgent(), lambda: Failing(3), episodes=1)
    assert Closing.closed == 2


def test_an_evaluation_has_episodes() -> None:
    with pytest.raises(ConfigError, match=r"^episodes=0 is not allowed: a whole number >= 1$"):
        rlpair.evaluate_agent(FakeAgent(), "toy/Counter-v0", episodes=0)
