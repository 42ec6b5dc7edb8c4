"""run and evaluate_agent: training and evaluation for importers, with what they need made on the spot."""

from typing import Any

from rlpair.config import LoopConfig
from rlpair.envs.host import HostEnvs, Playable
from rlpair.envs.make import as_envs, is_recipe
from rlpair.envs.spec import unlike
from rlpair.errors import ConfigError, EnvError
from rlpair.loops.host import HostLoop, evaluate
from rlpair.make import open_playable
from rlpair.replay.buffer import make_replay
from rlpair.types import Agent, Evaluation, Replay


class Training(HostLoop):
    """What ``run`` returns: iterate over it for records; then a later ``run`` can go on with it.

    ``agent``, ``replay``, ``env_steps`` and ``config`` are there to be looked at; ``stop()`` ends it after the step
    that it is in. To leave the loop by ``break`` and to come back to it later loses nothing either.
    """

    env: Any  # as it was given


def run(
    agent: Agent,
    env: Any,
    config: LoopConfig | None = None,
    *,
    eval_env: Any = None,
    replay: Replay | None = None,
    resume: Training | None = None,
) -> Training:
    """Train an agent; nothing happens until the first record is asked for.

    An untrained agent begins with ``agent.config.learning_starts`` random steps. One that is trained already, and comes
    without ``resume``, fills the new replay by its own exploring policy, with epsilon at its final value. With
    ``resume`` two trainings of 5,000 steps are one of 10,000, bit for bit.

    Args:
        agent: from ``make_agent`` or ``load_agent``; it is changed.
        env: an id, an environment, a function that makes one, or a Gymnasium vector environment.
        config: how long, how often to evaluate, the seed; LoopConfig() if None.
        eval_env: likewise, to evaluate on, where ``config.eval_every`` is not 0; of an id or a function as ``env``,
            another one is made if None.
        replay: an object of your own that has the methods of ``rlpair.types.Replay``, such as a ``ReplayBuffer`` with a
            storage or a sampler of your own; if None, that of ``resume``, else one that ``agent.config`` asks for.
        resume: what an earlier ``run`` returned, to go on where it stands: its replay, its clock, its generators and,
            if ``env`` is what it was, its episodes. ``config.total_timesteps`` counts from its beginning, and
            ``config.seed`` is only that of evaluations. The earlier one ends.

    Raises:
        EnvError, ConfigError: one line says what cannot be used.
    """
    config = LoopConfig() if config is None else config
    if not isinstance(resume, Training | None):
        raise ConfigError("resume", resume, "what an earlier rlpair.run returned")
    envs = resume.envs if resume is not None and is_same(env, resume.env) else as_envs(env, training=True)
    check_fit(agent, envs)
    if resume is not None:
        check_resumable(resume, envs, config)
    if replay is None:
        replay = resume.replay if resume else make_replay(agent.config, envs.num_envs, envs.spec)
    if eval_env is None and config.eval_every and is_recipe(env):
        eval_env = env
    eval_envs = None if eval_env is None else as_envs(eval_env)
    if eval_envs is not None:
        check_fit(agent, eval_envs, "eval_env")
    if eval_envs is not None and set(map(id, eval_envs.objects)) & set(map(id, envs.objects)):
        raise ConfigError("eval_env", eval_envs.name, "another object than env: an evaluation resets it in mid-episode")
    training = Training(agent, envs, replay, config, eval_envs=eval_envs)
    training.env = env
    if resume is not None:
        training.go_on_from(resume)
    return training


def evaluate_agent(agent: Agent, env: Any, episodes: int = 20, seed: int = 0) -> Evaluation:
    """Play greedy episodes. Returns their ``returns`` and ``lengths``, (episodes,) each.

    Args:
        agent: from ``make_agent`` or ``load_agent``; it does not change.
        env: as for ``run``; an environment is reset, so none that a training is to go on in. ``gymnax/...`` and
            ``brax/...`` are stepped one step at a time.
        episodes: how many.
        seed: the same seed plays the same episodes.

    Raises:
        ConfigError, EnvError, MissingExtraError: one line says what cannot be used.
    """
    if episodes < 1:
        raise ConfigError("episodes", episodes, "a whole number >= 1")
    envs = open_playable(env) if isinstance(env, str) else as_envs(env)
    try:
        check_fit(agent, envs)
        return evaluate(agent, envs, episodes, seed)
    finally:
        if is_recipe(env):
            envs.close()


def is_same(env: Any, other: Any) -> bool:
    """Return whether two environments are one id, or one object."""
    return env is other or (isinstance(env, str) and env == other)


def check_fit(agent: Agent, envs: Playable, key: str = "env") -> None:
    """Raise EnvError where the agent was made for other observations or actions than these, given as ``key``."""
    if (field := unlike(agent.spec, envs.spec)) is not None:
        here, made_for = getattr(envs.spec, field), getattr(agent.spec, field)
        raise EnvError(f"{key} has {field}={here}, and the agent was made for {field}={made_for}")


def check_resumable(earlier: Training, envs: HostEnvs, config: LoopConfig) -> None:
    """Raise EnvError or ConfigError where an earlier training cannot go on so."""
    if envs.num_envs != earlier.envs.num_envs:
        raise EnvError(f"env has num_envs={envs.num_envs}, and the run that is resumed {earlier.envs.num_envs}")
    if config.total_timesteps <= earlier.env_steps:
        allowed = f"more than the {earlier.env_steps} steps that the run which is resumed has behind it"
        raise ConfigError("total_timesteps", config.total_timesteps, allowed)
