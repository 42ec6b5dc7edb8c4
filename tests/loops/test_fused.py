"""The fused loop: equal to the host loop, each seed to its single run; one trace, one replay."""

from dataclasses import replace
from functools import partial
from typing import Any

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import DEVICE
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from runs import SMALL

from rlpair import DQNConfig, SACConfig, make_agent
from rlpair.agents.agent_jax import JaxAgent, hyper_of, named_state, tree_of
from rlpair.algos.registry import find
from rlpair.config import LoopConfig, RunConfig
from rlpair.envs.functional_jax import EnvState, functional_env
from rlpair.envs.make import as_envs
from rlpair.errors import RLPairWarning
from rlpair.loops import host as loop_module
from rlpair.loops.fused import FusedLoop, make_workers
from rlpair.loops.fused_jax import Draws, FusedState, make_fused, play
from rlpair.loops.host import HostLoop, evaluate
from rlpair.loops.seeds_jax import Seeds
from rlpair.parity import FLOAT64, errors
from rlpair.replay.buffer import ReplayBuffer
from rlpair.replay.buffer_jax import Replay
from rlpair.replay.samplers_jax import UNIFORM
from rlpair.seeding import stream

SHORT = SMALL | {"learning_starts": 40, "buffer_size": 150, "train_freq": 1}
AGENTS: dict[str, tuple[Any, str]] = {
    "dqn": (DQNConfig(**SHORT, exploration_steps=200, target_update_interval=7, tau=0.3), "CartPole-v1"),
    "sac": (SACConfig(**SHORT, learning_rate=1e-3), "Pendulum-v1"),
}


class Recorder:
    """Stands before a JaxAgent, the replay and the environments of a host loop, and writes down every draw."""

    def __init__(self, agent: Any, replay: ReplayBuffer, envs: Any, states: Any) -> None:
        self.agent, self.config, self.replay, self.envs, self.states = agent, agent.config, replay, envs, states
        self.num_envs, self.spec, self.num_updates = envs.num_envs, envs.spec, 0
        self.actions, self.keys, self.initial = list[Any](), list[Any](), list[Any]()
        self.indices, self.noise = list[Any](), list[Any]()

    def reset(self, seed: int) -> np.ndarray:
        return self.envs.reset(seed)

    def sample_actions(self, rng: np.random.Generator) -> np.ndarray:
        self.keys.append(jax.random.key(0))  # none is used
        return self.envs.sample_actions(rng)

    def act(self, obs: np.ndarray, *, env_steps: int) -> np.ndarray:
        key = jax.random.wrap_key_data(jnp.asarray(self.agent.state_dict()["rng.jax"]))
        self.keys.append(jax.random.split(key)[1])
        return self.agent.act(obs, env_steps=env_steps)

    def step(self, action: np.ndarray) -> Any:
        result = self.envs.step(action)
        self.actions.append(action)
        self.initial.append(self.states())
        return result

    def add(self, *step: Any) -> None:
        self.replay.add(*step)

    def sample(self, *arguments: Any) -> Any:
        batch, indices = self.replay.sample(*arguments)
        self.indices.append(indices)
        return batch, indices

    def update(self, batch: Any) -> Any:
        self.noise.append(self.agent.learner.sample_noise(jax.random.key(len(self.noise)), batch.reward.shape))
        return self.agent.update(batch, noise=self.noise[-1])


def replay_of(indices: list[np.ndarray]) -> Replay:
    """One that samples these, round by round."""
    table, zero = jnp.asarray(indices), jnp.zeros((), jnp.int32)
    in_turn = UNIFORM._replace(
        init=lambda rows, num_envs: zero, sample=lambda number, span, key, shape: (table[number], None, number + 1)
    )
    return Replay(sampler=in_turn)


@pytest.mark.parametrize(
    ("algo", "num_envs", "train_freq", "gradient_steps"), [("dqn", 1, 1, 1), ("dqn", 2, 3, 2), ("sac", 1, 1, 1)]
)
def test_a_fused_run_is_the_host_run_with_the_same_draws(
    algo: str, num_envs: int, train_freq: int, gradient_steps: int
) -> None:
    config, env_id = AGENTS[algo]
    config = config.__class__(**(vars(config) | {"train_freq": train_freq, "gradient_steps": gradient_steps}))
    size = train_freq * num_envs
    warm_rounds, rounds = 40 // size, 40 // size + 200 // gradient_steps
    with jax.enable_x64(True):
        makers = [partial(gym.make, env_id)] * num_envs
        vector = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
        envs = as_envs(vector)

        def states() -> np.ndarray:
            return np.array([env.unwrapped.state for env in vector.envs], np.float64)  # type: ignore[attr-defined]

        agent: Any = make_agent(algo, backend="jax", env=envs.spec, config=config, dtype="float64", device=DEVICE)
        replay = ReplayBuffer(config.buffer_size, num_envs, envs.spec)
        recorder: Any = Recorder(agent, replay, envs, states)
        host = HostLoop(recorder, recorder, recorder, LoopConfig(total_timesteps=rounds * size, log_every=10**6))
        obs = host._obs = recorder.reset(0)
        begin = states()
        list(host)

        env = functional_env(env_id, dtype="float64")
        fused = make_fused(agent.learner, env, config, num_envs, replay_of(recorder.indices))
        params = tree_of(find(algo).initial_params(config, env.spec, stream(0, "parameters")), "float64")
        state = fused.init(params, hyper_of(config, env.spec, "float64"), jax.random.key(0))
        state = state._replace(envs=EnvState(jnp.asarray(begin), jnp.zeros(num_envs, jnp.int32)), obs=jnp.asarray(obs))

        def by_round(values: list[Any]) -> Any:  # (rounds, F, ...)
            stacked = jnp.stack([jnp.asarray(x) for x in values])
            return stacked.reshape(rounds, train_freq, *stacked.shape[1:])

        nothing = [jax.tree.map(jnp.zeros_like, recorder.noise[0])] * warm_rounds
        noise = jax.tree.map(lambda *x: jnp.stack(x), *nothing, *recorder.noise)
        keys = jax.random.split(jax.random.key(0), (rounds, train_freq, num_envs))
        draws = Draws(
            by_round(recorder.actions),
            by_round(recorder.keys),
            keys,
            jax.random.split(jax.random.key(0), rounds),  # none is used
            noise,
            by_round(recorder.initial),
        )
        state, told = jax.jit(fused.run)(state, 0, rounds, draws)
    assert agent.num_updates == int(state.learner.num_updates) == 200
    mine, its = named_state(state.learner), {n: x for n, x in agent.state_dict().items() if n != "rng.jax"}
    assert max(errors(its, mine).values()) <= FLOAT64
    stored = replay.state_dict()
    for name in ("obs", "action", "reward", "next_obs", "terminated"):
        np.testing.assert_allclose(
            getattr(state.replay, name)[: len(stored[name])], stored[name], 1e-6, 1e-7, err_msg=name
        )
    np.testing.assert_allclose(state.episode_return, host.episode_return, 1e-5)
    np.testing.assert_array_equal(state.episode_length, host.episode_length)
    np.testing.assert_allclose([told.episodes, told.return_sum, told.length_sum], host.ended, 1e-6)
    assert bool(told.finite)
    assert host.ended[0] > 0  # resets seen
    assert len(stored["obs"]) == config.buffer_size // num_envs  # and a full ring


def run_config(algo: str, **changes: Any) -> RunConfig:
    config, env_id = AGENTS[algo]
    return RunConfig(algo=config, env=env_id, mode="fused", total_timesteps=250, device=DEVICE, **changes)


@pytest.mark.parametrize("algo", ["dqn", pytest.param("sac", marks=pytest.mark.slow)])
def test_each_of_many_seeds_is_its_single_run(algo: str) -> None:
    config = run_config(algo, eval_episodes=2, num_seeds=2)
    together = Seeds(config, [3, 4], "float64")
    told = together.run(0, 240)
    returns, lengths, _ = together.evaluate(7)
    for k, (seed, saved) in enumerate(zip((3, 4), together.save(True), strict=True)):
        alone = Seeds(config, [seed], "float64")
        chunk = alone.run(0, 100), alone.run(100, 240)  # in two parts, as it does not matter
        (own,) = alone.save(True)
        assert max(errors(own.agent, saved.agent).values()) <= FLOAT64
        assert max(errors(own.rest, saved.rest).values()) <= 1e-6  # float32 in parts
        assert told.episodes[k] == sum(part.episodes[0] for part in chunk)
        for tag, values in told.metrics.items():
            np.testing.assert_allclose(values[k], chunk[1].metrics[tag][0], 1e-9, err_msg=tag)
        its_returns, its_lengths, _ = alone.evaluate(7)
        np.testing.assert_allclose(its_returns[0], returns[k], 1e-5)
        np.testing.assert_array_equal(its_lengths[0], lengths[k])
    assert told.episodes.sum() > 0
    assert returns.shape == lengths.shape == (2, 2)


def test_seeds_go_on_from_what_was_saved() -> None:
    config = run_config("sac", num_seeds=2)
    whole, second = (Seeds(config, [0, 1]) for _ in range(2))
    whole.run(0, 130)
    second.load(whole.save(True))
    whole.run(130, 200)
    second.run(130, 200)
    for mine, its in zip(second.save(True), whole.save(True), strict=True):
        for name, value in {**its.agent, **its.rest}.items():
            np.testing.assert_array_equal({**mine.agent, **mine.rest}[name], value, err_msg=name)


def start_of(algo: str, **changes: Any) -> tuple[Any, FusedState]:
    config, env_id = AGENTS[algo]
    config = config.__class__(**(vars(config) | changes))
    env = functional_env(env_id)
    agent: Any = make_agent(algo, backend="jax", env=env.spec, config=config, device=DEVICE)
    fused = make_fused(agent.learner, env, config, 1)
    params = tree_of(find(algo).initial_params(config, env.spec, stream(0, "parameters")), "float32")
    return fused, jax.jit(fused.init)(params, hyper_of(config, env.spec, "float32"), jax.random.key(0))


@pytest.mark.parametrize("algo", AGENTS)
def test_one_trace_serves_every_chunk(algo: str) -> None:
    fused, state = start_of(algo)
    traces = []

    def counted(state: FusedState, start: Any, stop: Any) -> Any:
        traces.append(1)
        return fused.run(state, start, stop)

    run = jax.jit(counted, donate_argnums=0)
    for start, stop in ((0, 10), (10, 60), (60, 61), (61, 61), (61, 100)):
        state, _ = run(state, np.int32(start), np.int32(stop))
    assert len(traces) == 1
    assert int(state.learner.num_updates) == 100 - 40


@pytest.mark.parametrize("seeds", [1, 4])
def test_memory_holds_one_replay(seeds: int) -> None:
    fused, state = start_of("dqn", buffer_size=200_000)
    run, replay_bytes = fused.run, sum(x.nbytes for x in jax.tree.leaves(state.replay)) * seeds
    if seeds > 1:
        state, run = jax.tree.map(lambda x: jnp.stack([x] * seeds), state), jax.vmap(run, in_axes=(0, None, None))
    compiled = jax.jit(run, donate_argnums=0).lower(state, np.int32(0), np.int32(9)).compile()
    memory: Any = compiled.memory_analysis()
    assert memory.alias_size_in_bytes > replay_bytes  # what comes in is what goes out
    assert memory.temp_size_in_bytes < replay_bytes / 10


def test_play_counts_as_the_host_does() -> None:
    agent: Any = make_agent("dqn", backend="jax", env=gym.make("CartPole-v1"), device=DEVICE)
    assert isinstance(agent, JaxAgent)
    returns, lengths, cut = play(agent.learner, functional_env("CartPole-v1"), agent.state, jax.random.key(0), 400)
    assert not cut.any()
    np.testing.assert_array_equal(returns, lengths)  # 1 a step
    host = evaluate(
        agent, as_envs(gym.make_vec("CartPole-v1", 400, "sync", {"autoreset_mode": AutoresetMode.SAME_STEP})), 400, 0
    )
    apart = abs(float(returns.mean()) - host.returns.mean())
    assert apart < 4.9 * np.hypot(np.std(returns), host.returns.std()) / 20  # fails by chance in one of a million


def test_an_episode_without_end_is_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mountain car that has not learned never arrives."""
    monkeypatch.setattr(loop_module, "LONGEST_EPISODE", 7)
    line = (
        "env=MountainCar-v0: episodes of an evaluation are cut at 7 steps: "
        "it has no end of its own, and env_kwargs.max_episode_steps=N sets one"
    )
    config = RunConfig(algo=DQNConfig(**SHORT), env="MountainCar-v0", mode="fused", eval_episodes=3)
    for limit in (-1, 8):
        endless = replace(config, env_kwargs={"max_episode_steps": limit})
        with pytest.warns(RLPairWarning) as warned:
            evaluation = FusedLoop(endless, make_workers(endless)).evaluate()
        assert {str(warning.message) for warning in warned} == {line}
        assert evaluation.lengths.tolist() == [7, 7, 7]
        assert evaluation.returns.tolist() == [-7, -7, -7]
    ends = replace(config, env_kwargs={"max_episode_steps": 7})
    assert FusedLoop(ends, make_workers(ends)).evaluate().lengths.tolist() == [7, 7, 7]  # by itself: nothing is said
