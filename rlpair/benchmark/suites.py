"""What there is to train, and what others reached on it: a row for each task, all of it data.

A published score is what its source says, with the protocol that it was taken by: two scores are comparable as far as
their protocols are. The first of a task is what ours is held against; the others are shown beside it.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from rlpair.errors import ConfigError, check_one_of

TRAINING = "3 seeds, mean return of training episodes"  # of CleanRL
GREEDY = "one run, deterministic episodes; the deviation is over those, not over seeds"  # of RL Zoo
MOVING = "moving average of training returns"  # of SLM-Lab
FIGURE = "read off a figure, 5M frames, 30 runs, sticky actions 0.1"  # of MinAtar
SOURCES = {  # where each stands
    "RL Zoo": "https://github.com/DLR-RM/rl-baselines3-zoo/blob/master/benchmark.md",
    "CleanRL": "https://docs.cleanrl.dev/rl-algorithms/overview/",
    "Tianshou": "https://github.com/thu-ml/tianshou/tree/master/examples/mujoco",
    "SLM-Lab": "https://github.com/kengz/SLM-Lab/blob/master/docs/BENCHMARKS.md",
    "SimbaV2": "https://arxiv.org/abs/2502.15280",
    "Young & Tian 2019": "https://arxiv.org/abs/1903.03176",
}


class Published(NamedTuple):
    """A score that somebody published."""

    mean: float
    std: float | None  # None where the source has none
    source: str
    protocol: str  # how it was measured, as far as it is not as here

    @property
    def url(self) -> str:
        """The address of the page or paper that has the score."""
        return next(url for name, url in SOURCES.items() if self.source.startswith(name))


class Task(NamedTuple):
    """An environment, the algorithm that learns it, and how far that is known to come."""

    env: str
    algo: str
    total_env_steps: int
    random: float  # mean return of uniform actions over 100 episodes: python scripts/random_returns.py
    published: tuple[Published, ...] = ()  # the first is what ours is held against; () where no score is known
    settings: Mapping[str, Any] = MappingProxyType({})  # of train, by dotted key, beside the preset: the protocol's

    @property
    def name(self) -> str:
        """The id without its namespace and version: Pong."""
        return self.env.rpartition("/")[2].rpartition("-v")[0]

    @property
    def aim(self) -> float | None:
        """One standard deviation below the published mean, which is to be reached; None where there is none."""
        return self.published[0].mean - (self.published[0].std or 0.0) if self.published else None


def _zoo(mean: float, std: float, steps: str) -> Published:
    return Published(mean, std, "RL Zoo", f"{steps} steps, {GREEDY}")


def _cleanrl(mean: float, std: float, steps: str, backend: str = "") -> Published:
    return Published(mean, std, f"CleanRL{backend}", f"{steps} steps, {TRAINING}")


def _slm(mean: float, steps: str) -> Published:
    return Published(mean, None, "SLM-Lab", f"{steps} steps, {MOVING}")


def _mujoco(mean: float, std: float) -> Published:
    return Published(mean, std, "CleanRL", f"v4, 1M steps, {TRAINING}")


def _tianshou(mean: float, std: float) -> Published:
    return Published(mean, std, "Tianshou", "v3, 1M steps, 10 seeds")


def _sac10(mean: float, std: float) -> Published:
    return Published(mean, std, "SimbaV2's SAC", "v4, 1M steps, 10 seeds")


def _minatar(name: str, random: float, mean: float) -> Task:
    published = Published(mean, None, "Young & Tian 2019", FIGURE)
    return Task(f"MinAtar/{name}-v1", "dqn", 5_000_000, random, (published,))


def _atari(name: str, random: float, *published: Published) -> Task:
    # As NAMENoFrameskip-v4: no sticky actions, and a life lost ends an episode of training.
    settings = {"env_kwargs.repeat_action_probability": 0.0, "env_kwargs.terminal_on_life_loss": True}
    return Task(f"ALE/{name}-v5", "dqn", 10_000_000, random, published, MappingProxyType(settings))


SUITES: dict[str, tuple[Task, ...]] = {
    "classic": (
        Task(
            "CartPole-v1",
            "dqn",
            50_000,
            20.62,
            (
                _zoo(500.0, 0.0, "50k"),
                _cleanrl(488.69, 16.11, "500k", " (torch)"),
                _cleanrl(498.38, 2.29, "500k", " (jax)"),
            ),
        ),
        Task(
            "Acrobot-v1",
            "dqn",
            100_000,
            -499.2,
            (
                _zoo(-76.64, 11.75, "100k"),
                _cleanrl(-91.54, 7.20, "500k", " (torch)"),
                _cleanrl(-88.89, 1.56, "500k", " (jax)"),
            ),
        ),
        Task(
            "MountainCar-v0",
            "dqn",
            120_000,
            -200.0,
            (
                _zoo(-100.85, 9.93, "120k"),
                _cleanrl(-194.95, 8.48, "500k", " (torch)"),
                _cleanrl(-188.90, 11.78, "500k", " (jax)"),
            ),
        ),
        Task("Pendulum-v1", "sac", 20_000, -1218.0, (_zoo(-157.00, 88.71, "20k"), _slm(-150.97, "300k"))),
        Task("MountainCarContinuous-v0", "sac", 50_000, -32.29, (_zoo(94.68, 1.13, "50k"),)),
    ),
    "box2d": (
        Task(
            "LunarLander-v3",
            "dqn",
            100_000,
            -166.8,
            (_zoo(154.38, 79.24, "LunarLander-v2, 100k"), _slm(195.21, "300k")),
        ),
        Task(
            "LunarLanderContinuous-v3",
            "sac",
            500_000,
            -204.8,
            (_zoo(260.39, 65.47, "LunarLanderContinuous-v2, 500k"), _slm(125.0, "300k")),
        ),
        Task("BipedalWalker-v3", "sac", 500_000, -99.25, (_zoo(297.67, 33.06, "500k"),)),
    ),
    "mujoco": (
        Task(
            "HalfCheetah-v5",
            "sac",
            1_000_000,
            -287.1,
            (_mujoco(9634.89, 1423.73), _tianshou(12138.8, 1049.3), _sac10(11321, 1051)),
        ),
        Task(
            "Hopper-v5",
            "sac",
            1_000_000,
            18.12,
            (_mujoco(2310.46, 342.82), _tianshou(3542.2, 51.5), _sac10(2787, 823)),
        ),
        Task(
            "Walker2d-v5",
            "sac",
            1_000_000,
            2.751,
            (_mujoco(3591.45, 911.33), _tianshou(5007.0, 251.5), _sac10(4536, 469)),
        ),
        Task("Ant-v5", "sac", 1_000_000, -50.4, (_tianshou(5850.2, 475.7), _sac10(5734, 639), _slm(4943.0, "2M"))),
        Task(
            "Humanoid-v5",
            "sac",
            1_000_000,
            115.9,
            (_mujoco(4996.29, 686.40), _tianshou(5488.5, 81.2), _sac10(4826, 1593)),
        ),
        Task("InvertedDoublePendulum-v5", "sac", 1_000_000, 46.81, (_slm(9033.0, "v5, an unstated number of"),)),
        Task("Swimmer-v5", "sac", 1_000_000, -2.637, (_slm(301.0, "v5, an unstated number of"),)),
        Task("Reacher-v5", "sac", 1_000_000, -43.08, (_slm(-6.3, "v5, an unstated number of"),)),
    ),
    "minatar": (
        _minatar("Asterix", 0.52, 17.0),
        _minatar("Breakout", 0.42, 10.0),
        _minatar("Freeway", 0.45, 50.0),
        _minatar("Seaquest", 0.06, 20.0),
        _minatar("SpaceInvaders", 4.16, 44.0),
    ),
    "atari": (
        _atari("BeamRider", 345.4, _cleanrl(6673, 1434, "10M", " (torch)"), _cleanrl(5938, 956, "10M", " (jax)")),
        _atari(
            "Breakout",
            1.55,
            _cleanrl(366.93, 39.89, "10M", " (torch)"),
            _cleanrl(377.82, 34.91, "10M", " (jax)"),
            _zoo(358.33, 61.98, "10M"),
        ),
        _atari(
            "Pong",
            -20.6,
            _cleanrl(20.25, 0.41, "10M", " (torch)"),
            _cleanrl(20.43, 0.34, "10M", " (jax)"),
            _zoo(20.60, 0.61, "10M"),
        ),
    ),
}


def tasks_of(suites: Sequence[str], only: Sequence[str]) -> list[Task]:
    """Return the tasks of some suites; of those alone that are named by id, or by id without version, where any is.

    Raises:
        ConfigError: there is no such suite, or no such task in them.
    """
    for suite in suites:
        check_one_of("suite", suite, SUITES)
    tasks = [task for suite in dict.fromkeys(suites) for task in SUITES[suite]]
    for name in only:
        if not any(name in (task.env, task.name) for task in tasks):
            raise ConfigError("only", name, "some of " + ", ".join(task.name for task in tasks))
    return [task for task in tasks if not only or {task.env, task.name} & set(only)]


def task_of(env: str) -> Task | None:
    """Return the task of an environment; None where no suite has it."""
    return next((task for tasks in SUITES.values() for task in tasks if task.env == env), None)
