"""The host loop against a naive one that keeps everything in lists, over environments and settings by Hypothesis."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpair import DQNConfig, LoopConfig, Record, Transition, UpdateInfo
from rlpair.envs.make import make_envs
from rlpair.loops.host import HostLoop
from rlpair.replay.buffer import ReplayBuffer
from rlpair.seeding import integer, stream

ACTIONS = 3


class Track(gym.Env[np.ndarray, Any]):
    """x -> (5 x + action + 1) mod 23, from a random start; terminal at x in ``ends``, cut after ``limit`` steps."""

    action_space = spaces.Discrete(ACTIONS, start=1)
    observation_space = spaces.Box(0, 100, (2,), np.float32)

    def __init__(self, ends: tuple[int, ...] = (0,), limit: int = 5) -> None:
        self.ends, self.limit = ends, limit

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.x, self.count = int(self.np_random.integers(23)), 0
        return self._obs(), {}

    def step(self, action: Any) -> Any:
        self.x, self.count = (5 * self.x + int(action) + 1) % 23, self.count + 1
        return self._obs(), float(self.x), self.x in self.ends, self.count >= self.limit, {}

    def _obs(self) -> np.ndarray:
        return np.array([self.x, self.count], np.float32)


gym.register("toy/Track-v0", "test_loop_model:Track", disable_env_checker=True)


def policy(obs: Any, env_steps: int | None) -> int:
    """Of an observation and, where it explores, of the env steps."""
    return 1 + int(obs[0] + 7 * obs[1] + (0 if env_steps is None else env_steps)) % ACTIONS


class Agent:
    """Acts by ``policy``; the loss of an update is the mean reward of its minibatch. Writes down what it is given."""

    def __init__(self, config: DQNConfig) -> None:
        self.config, self.num_updates = config, 0
        self.acts, self.batches = list[Any](), list[Any]()

    def act(self, obs: np.ndarray, *, explore: bool = True, env_steps: int | None = None) -> np.ndarray:
        if explore:
            self.acts.append((env_steps, obs.tolist()))
        return np.array([policy(row, env_steps if explore else None) for row in obs], np.int32)

    def update(self, batch: Transition, *, noise: Any = None) -> UpdateInfo:
        self.batches += [[x[u].tolist() for x in batch[:5]] for u in range(len(batch.reward))]
        self.num_updates += len(batch.reward)
        return UpdateInfo({"loss/q": batch.reward.mean(axis=1)}, np.zeros_like(batch.reward))


@dataclass(frozen=True)
class Case:
    """An environment and settings."""

    num_envs: int
    eval_envs: int
    env_kwargs: dict[str, Any]
    algo: dict[str, int]
    loop: dict[str, int]


class Story(NamedTuple):
    """All that a run did."""

    acts: list[Any]  # (env_steps, obs) of every exploring act
    batches: list[Any]  # every minibatch, with all of its fields
    records: list[Record]
    memory: dict[int, Any]  # slot -> the transition of each environment there
    num_updates: int


def naive(case: Case, stops: list[int]) -> Story:
    """The loop as one would write it down in words. ``stops``: env steps at which it is interrupted."""
    n, algo, loop, seed = case.num_envs, case.algo, case.loop, case.loop["seed"]
    envs = [Track(**case.env_kwargs) for _ in range(n)]
    obs = [env.reset(seed=integer(seed, "envs") + i)[0].tolist() for i, env in enumerate(envs)]
    warm_up, minibatch = stream(seed, "warm-up"), stream(seed, "minibatch")
    steps = row = updates = 0
    acts, batches, records, memory, ended = [], [], [], dict[int, Any](), []
    returns, lengths, metrics, best = [0.0] * n, [0] * n, dict[str, float](), -np.inf
    while steps < loop["total_timesteps"]:
        if steps < algo["learning_starts"]:
            actions = warm_up.integers(1, 1 + ACTIONS, n, np.int32).tolist()
        else:
            acts.append((steps, obs))
            actions = [policy(o, steps) for o in obs]
        stored, next_obs = [], []
        for i, env in enumerate(envs):
            after, reward, terminated, truncated, _ = env.step(actions[i])
            stored.append((obs[i], actions[i], reward, after.tolist(), float(terminated)))
            returns[i], lengths[i] = returns[i] + reward, lengths[i] + 1
            if terminated or truncated:
                ended.append((returns[i], lengths[i]))
                returns[i], lengths[i], after = 0.0, 0, env.reset()[0]
            next_obs.append(after.tolist())
        memory[row % (algo["buffer_size"] // n)] = stored
        obs, row, steps = next_obs, row + 1, steps + n
        if steps > algo["learning_starts"] and row % algo["train_freq"] == 0:
            count = n * algo["train_freq"] if algo["gradient_steps"] == -1 else algo["gradient_steps"]
            held = [transition for slot in sorted(memory) for transition in memory[slot]]
            for draw in minibatch.integers(len(held), size=(count, algo["batch_size"])).tolist():
                batches.append([list(field) for field in zip(*(held[k] for k in draw), strict=True)])
                metrics = {"loss/q": float(np.array(batches[-1][2], np.float32).mean())}
            updates += count
        if reached(steps, loop["log_every"], n):
            told = np.mean(ended, axis=0) if ended else ()
            episodes = dict(zip(("rollout/episodic_return", "rollout/episodic_length"), told, strict=False))
            records.append(Record(steps, episodes | metrics))
            ended = []
        if reached(steps, loop["eval_every"], n):
            scores = naive_evaluation(case, integer(seed, "evaluation", steps))
            values = {"eval/mean_return": float(np.mean(scores)), "eval/std_return": float(np.std(scores))}
            records.append(Record(steps, values, best=values["eval/mean_return"] > best))
            best = max(best, values["eval/mean_return"])
        if reached(steps, loop["checkpoint_every"], n) and steps < loop["total_timesteps"]:
            records.append(Record(steps, {}, checkpoint=True))
        if steps in stops and steps < loop["total_timesteps"]:
            records.append(Record(steps, {}, checkpoint=True))
    return Story(acts, batches, [*records, Record(steps, {}, checkpoint=True)], memory, updates)


def reached(steps: int, every: int, n: int) -> bool:
    """Whether one of the last n env steps is a multiple."""
    return every > 0 and any(step % every == 0 for step in range(steps - n + 1, steps + 1))


def naive_evaluation(case: Case, seed: int) -> list[float]:
    """Greedy episodes, as many at a time as there are environments; what is left over at the end is not counted."""
    scores = list[float]()
    while len(scores) < case.loop["eval_episodes"]:
        first = len(scores)
        for i in range(min(case.eval_envs, case.loop["eval_episodes"] - first)):
            env, total, over = Track(**case.env_kwargs), 0.0, False
            obs, _ = env.reset(seed=integer(seed, "evaluation", first) + i)
            while not over:
                obs, reward, terminated, truncated, _ = env.step(policy(obs, None))
                total, over = total + reward, terminated or truncated
            scores.append(total)
    return scores


def ours(case: Case, stops: list[int]) -> Story:
    """What the host loop did; at a stop it goes on in a new loop, from what a checkpoint holds."""
    agent, records, state, replay_state = Agent(DQNConfig(**case.algo)), [], None, {}
    waiting = sorted(stops)
    while True:
        envs = make_envs("toy/Track-v0", case.num_envs, env_kwargs=case.env_kwargs)
        eval_envs = make_envs("toy/Track-v0", case.eval_envs, env_kwargs=case.env_kwargs)
        replay = ReplayBuffer(agent.config.buffer_size, envs.num_envs, envs.spec)
        loop = HostLoop(agent, envs, replay, LoopConfig(**case.loop), eval_envs=eval_envs)  # type: ignore[arg-type]
        if state is not None:
            replay.load_state_dict(replay_state)
            assert loop.load_state_dict(json.loads(state)).all()
        for record in loop:
            records.append(record._replace(values={t: x for t, x in record.values.items() if "throughput" not in t}))
            if record.env_steps in waiting:
                waiting = [step for step in waiting if step > record.env_steps]
                loop.stop()
        state = json.dumps(loop.state_dict())
        replay_state = {name: array.copy() for name, array in replay.state_dict().items()}
        for each in (envs, eval_envs):
            each.close()
        if loop.env_steps >= case.loop["total_timesteps"]:
            stored = [replay_state[name].tolist() for name in ("obs", "action", "reward", "next_obs", "terminated")]
            memory = {slot: list(zip(*fields, strict=True)) for slot, fields in enumerate(zip(*stored, strict=True))}
            return Story(agent.acts, agent.batches, records, memory, agent.num_updates)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Case, list[int]]:
    num_envs = draw(st.integers(1, 4))
    algo = {
        "learning_starts": draw(st.integers(0, 20)),
        "train_freq": draw(st.integers(1, 4)),
        "gradient_steps": draw(st.sampled_from([-1, 1, 2, 3])),
        "batch_size": draw(st.integers(1, 3)),
        "buffer_size": draw(st.integers(num_envs + 2, 40)),
    }
    periods = {key: draw(st.integers(0, 25)) for key in ("eval_every", "checkpoint_every")}
    loop = {
        "total_timesteps": draw(st.integers(21, 60)),
        "log_every": draw(st.integers(1, 25)),
        "eval_episodes": draw(st.integers(1, 4)),
        "seed": draw(st.integers(0, 3)),
        **periods,
    }
    ends = draw(st.lists(st.integers(0, 22), max_size=6, unique=True))
    env_kwargs = {"ends": tuple(ends), "limit": draw(st.integers(1, 9))}
    case = Case(num_envs, draw(st.integers(1, 3)), env_kwargs, algo, loop)
    at_records = sorted({record.env_steps for record in naive(case, []).records})
    return case, draw(st.lists(st.sampled_from(at_records), max_size=2, unique=True))


@given(cases())
@settings(max_examples=120)
def test_the_host_loop_is_the_naive_one(drawn: tuple[Case, list[int]]) -> None:
    case, stops = drawn
    expected, told = naive(case, stops), ours(case, stops)
    assert told.acts == expected.acts
    assert told.memory == expected.memory
    assert told.num_updates == expected.num_updates
    assert told.batches == expected.batches
    assert [record._replace(values={}) for record in told.records] == [r._replace(values={}) for r in expected.records]
    for mine, its in zip(told.records, expected.records, strict=True):
        assert mine.values.keys() == its.values.keys()
        for tag, value in its.values.items():
            np.testing.assert_allclose(mine.values[tag], value, rtol=1e-6, err_msg=f"{tag} at {its.env_steps}")
