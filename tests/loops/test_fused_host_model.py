"""The fused loop's host side against a naive one: what is told, which are best, what is written, over stops and kills.

Both drive the same compiled programs. The naive one asks for one round after the other, never goes on from anything and
keeps everything in lists; ours goes on from its checkpoints, as often as Hypothesis stops or kills it.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from saved import load_checkpoint, load_run

from rlpair import DQNConfig, EnvSpec, Record
from rlpair.config import RunConfig
from rlpair.loops import seeds_jax
from rlpair.loops.fused import FusedLoop
from rlpair.runs.fused_run import FusedRun
from rlpair.runs.saved_config import save_config
from rlpair.runs.saved_run import SavedRun

QUICK = {"xla_backend_optimization_level": 0}  # to compile is what takes long here
ROUND, UPDATES, EPISODES = 6, 2, 2  # env steps and updates of a round, episodes of an evaluation


class Track:
    """x -> (5 x + action + 1) mod 23, from a random start; terminal where x is 0 or 1, cut after 4 steps."""

    spec, time_limit = EnvSpec((1,), "float32", True, 3), 4

    def initial(self, key: jax.Array) -> jax.Array:
        return jax.random.randint(key, (), 2, 23)

    def transition(self, state: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        return (5 * state + action + 1) % 23

    def observation(self, state: jax.Array) -> jax.Array:
        return state[None].astype(jnp.float32)

    def reward(self, state: jax.Array, action: jax.Array, next_state: jax.Array) -> jax.Array:
        return next_state.astype(jnp.float32)

    def terminal(self, state: jax.Array) -> jax.Array:
        return state <= 1


class Here:
    """Stands for Workers: one, in this process, whose programs are compiled once."""

    def __init__(self, seeds: seeds_jax.Seeds) -> None:
        self.seeds, self._fresh = seeds, seeds.save(True)

    def anew(self) -> "Here":
        """As a process that has just begun."""
        self.seeds._running.clear()
        self.seeds.load(self._fresh)
        return self

    def call(self, method: str, *arguments: Any, each: Any = None) -> list[Any]:
        return [getattr(self.seeds, method)(*arguments, *(() if each is None else each))]


ALGO = DQNConfig(learning_starts=14, train_freq=2, gradient_steps=UPDATES, batch_size=4, buffer_size=60, net_arch=(4,))


def config_of(num_seeds: int, **loop: int) -> RunConfig:
    own: dict[str, Any] = {"num_seeds": num_seeds, "seed": 5, "num_envs": 3, "eval_episodes": EPISODES}
    return RunConfig(algo=ALGO, env="CartPole-v1", mode="fused", **own, **loop)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def workers() -> dict[int, Here]:
    """By number of seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "jit", partial(jax.jit, compiler_options=QUICK))
        patch.setattr(seeds_jax, "functional_env", lambda *_, **__: Track())
        return {n: Here(seeds_jax.Seeds(config_of(n), range(5, 5 + n))) for n in (1, 2)}


class Story(NamedTuple):
    """All that a run did."""

    records: list[Record]
    num_updates: int  # over all agents
    best: dict[int, Any]  # seed -> its agent's state at its best evaluation
    checkpoints: dict[int, Any]  # env_steps -> of each seed: the agent's state, the rest, what run.json holds


def naive(here: Here, loop: dict[str, int], num_seeds: int) -> Story:
    """The run as one would write it down in words; it is never interrupted."""
    seeds, names = here.anew().seeds, range(5, 5 + num_seeds)
    records, ended, best, checkpoints = list[Record](), [], dict[int, Any](), dict[int, Any]()
    highest, updates, steps = [-np.inf] * num_seeds, 0, 0
    while steps < loop["total_timesteps"]:
        chunk = seeds.run(steps // ROUND, steps // ROUND + 1)
        ended.append(np.array(chunk[:3], float))  # (3, S)
        steps += ROUND
        updates += UPDATES * num_seeds * (steps > ALGO.learning_starts)
        if reached(steps, loop["log_every"]):
            count, returns, lengths = np.sum(ended, axis=0)
            of = [k for k in range(num_seeds) if count[k]]
            values = means("rollout/episodic_return", {names[k]: returns[k] / count[k] for k in of}, num_seeds)
            values |= {"rollout/episodic_length": np.mean([lengths[k] / count[k] for k in of])} if of else {}
            learned = {tag: x.mean() for tag, x in chunk.metrics.items()} if updates else {}
            records.append(Record(steps, values | learned))
            ended = []
        if reached(steps, loop["eval_every"]):
            returns = seeds.evaluate(steps)[0]
            scores, agents = returns.mean(axis=1), [agent for agent, _ in seeds.save(False)]
            better = [k for k in range(num_seeds) if scores[k] > highest[k]]
            best |= {names[k]: agents[k] for k in better}
            highest = [max(pair) for pair in zip(highest, scores, strict=True)]
            values = means("eval/mean_return", dict(zip(names, scores, strict=True)), num_seeds)
            records.append(Record(steps, values | {"eval/std_return": returns.std()}, best=bool(better)))
        own = np.sum(ended, axis=0) if ended else np.zeros((3, num_seeds))
        run = [{"env_steps": steps, "best_return": x if x > -np.inf else None} for x in highest]
        its = [entry | {"ended": own[:, k].tolist()} for k, entry in enumerate(run)]
        checkpoints[steps] = [(*saved, entry) for saved, entry in zip(seeds.save(True), its, strict=True)]
        if reached(steps, loop["checkpoint_every"]) and steps < loop["total_timesteps"]:
            records.append(Record(steps, {}, checkpoint=True))
    return Story([*records, Record(steps, {}, checkpoint=True)], updates, best, checkpoints)


def reached(steps: int, every: int) -> bool:
    """Whether one of the last round's env steps is a multiple."""
    return every > 0 and any(step % every == 0 for step in range(steps - ROUND + 1, steps + 1))


def means(tag: str, by_seed: dict[int, float], num_seeds: int) -> dict[str, float]:
    """The mean, and of many seeds each one's too; of up to two the mean is the interquartile mean."""
    if not by_seed:
        return {}
    mean = float(np.mean(list(by_seed.values())))
    own = {f"seed_{seed}/{tag}": value for seed, value in by_seed.items()}
    return {tag: mean} | ({f"{tag.split('/')[0]}/iqm": mean} | own if num_seeds > 1 else {})


class Run:
    """Ours: what it told and wrote, in its folder. At a record it stops, or is killed, and goes on as a new process."""

    def __init__(self, here: Here, config: RunConfig, folder: Path) -> None:
        self.here, self.config, self.folder = here, config, folder
        self.records, self.stopped = list[Record](), list[int]()
        save_config(config, folder)

    def part(self, at: int | None, kill: bool) -> FusedLoop:
        """From the newest checkpoint up to the record of that number from there on, or to the end."""
        loop = FusedLoop(self.config, self.here.anew())  # type: ignore[arg-type]
        run, newest = FusedRun(self.config, "", loop), max(self.written(), default=0)
        if newest:
            run.load(SavedRun(str(self.folder)))
        self.records = [r for r in self.records if r.env_steps <= newest]  # as metrics.jsonl
        for number, record in enumerate(loop):
            self.take(record, run)
            if number == at:
                if kill:
                    return loop
                loop.stop()
        if loop.env_steps < self.config.total_timesteps:
            self.stopped.append(loop.env_steps)
        return loop

    def take(self, record: Record, run: FusedRun) -> None:
        kept = {t: x for t, x in record.values.items() if not t.startswith("throughput") and "/iqm_" not in t}
        self.records.append(record._replace(values=kept))
        if record.best:
            run.save_best(self.best)
        if record.checkpoint:
            assert run.loop.env_steps == record.env_steps
            run.save(self.step(record.env_steps))

    @property
    def best(self) -> Path:
        return self.folder / "best"

    def step(self, env_steps: int) -> Path:
        return self.folder / "checkpoints" / f"step_{env_steps}"

    def written(self) -> set[int]:
        """Env steps of all checkpoints."""
        return {int(path.name[5:]) for path in self.folder.glob("checkpoints/step_*")}

    def agents(self, path: Path) -> dict[int, Path]:
        """The folder of each seed's agent that there is, by seed."""
        seeds = self.config.num_seeds
        folders = {5: path} if seeds == 1 else {seed: path / f"seed_{seed}" for seed in range(5, 5 + seeds)}
        return {seed: folder for seed, folder in folders.items() if folder.exists()}


def assert_equal(mine: Any, its: Any) -> None:
    """States, bit by bit."""
    assert mine.keys() == its.keys()
    for name, value in its.items():
        np.testing.assert_array_equal(mine[name], value, err_msg=name)


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, dict[str, int], list[tuple[int, bool]]]:
    """A number of seeds, settings, and interruptions: at which record of each part, and whether it is a kill."""
    loop = {"total_timesteps": draw(st.integers(20, 70)), "log_every": draw(st.integers(1, 30))}
    loop |= {key: draw(st.sampled_from([0, *range(4, 31)])) for key in ("eval_every", "checkpoint_every")}
    return draw(st.integers(1, 2)), loop, draw(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=3))


@given(case=cases())
@settings(max_examples=20, phases=[Phase.generate])  # to shrink what fails takes minutes
def test_the_fused_loop_tells_and_writes_what_the_naive_one_does(
    workers: dict[int, Here], case: tuple[int, dict[str, int], list[tuple[int, bool]]]
) -> None:
    num_seeds, settings_of_loop, interruptions = case
    here, config = workers[num_seeds], config_of(num_seeds, **settings_of_loop)
    expected = naive(here, settings_of_loop, num_seeds)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(here, config, Path(folder))
        for at, kill in interruptions:
            loop = run.part(at, kill)
            if loop.env_steps >= config.total_timesteps and not kill:
                break
        else:
            loop = run.part(None, False)
        check(run, loop, expected)


def check(run: Run, loop: FusedLoop, expected: Story) -> None:
    """That the records, the counts and all that stands in the folder are the naive run's."""
    ends = [Record(steps, {}, checkpoint=True) for steps in run.stopped]  # a stop adds one record, its last
    told = sorted([*expected.records, *ends], key=lambda record: record.env_steps)
    assert [r._replace(values={}) for r in run.records] == [r._replace(values={}) for r in told]
    for mine, its in zip(run.records, told, strict=True):
        assert mine.values == pytest.approx(its.values, rel=1e-6), its.env_steps
    assert loop.num_updates == expected.num_updates
    assert run.written() == {record.env_steps for record in told if record.checkpoint}
    for steps in run.written():
        for folder, its in zip(run.agents(run.step(steps)).values(), expected.checkpoints[steps], strict=True):
            agent, rest, state = its
            assert_equal(load_checkpoint(folder)[1], agent)
            own_state, own_rest = load_run(folder)
            assert own_state == state
            assert_equal(own_rest, rest)
    assert run.agents(run.best).keys() == expected.best.keys()
    for seed, folder in run.agents(run.best).items():
        assert_equal(load_checkpoint(folder)[1], expected.best[seed])
