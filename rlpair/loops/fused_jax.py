"""The whole training loop as one compiled program: environments, replay and learner, as pure functions.

A round is ``train_freq`` vector steps and the updates after them. Rounds are counted outside the state, by ``run``'s
arguments: one number for any number of vmapped seeds, from which the position in the replay and the schedule follow.
The learner is the host loop's own, passed in as a value, and so is the replay; no algorithm is written here. A round
samples after it has interacted, all of its minibatches at once, and hands the sampler their TD errors after it has
learned, as the host loop does.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rlpair.algos.base import OffPolicyConfig
from rlpair.algos.learner_jax import Learner, LearnerState, update_many
from rlpair.algos.optimizers_jax import Tree
from rlpair.envs.functional_jax import EnvState, FunctionalEnv, reset, step
from rlpair.errors import ConfigError
from rlpair.loops import host as loop
from rlpair.replay.buffer_jax import Replay, default_replay
from rlpair.replay.storage_jax import Storage
from rlpair.types import EnvSpec, Transition

LAST_STEP = 2**31 - 1  # that an int32 can count


class FusedState(NamedTuple):
    """All that training changes. N environments."""

    learner: LearnerState
    replay: Tree  # the storage's state
    envs: EnvState  # (N, ...)
    obs: jax.Array  # (N, *obs_shape)
    episode_return: jax.Array  # (N,) float32, so far
    episode_length: jax.Array  # (N,) int32
    key: jax.Array
    sampler: Tree = ()  # its state


class Draws(NamedTuple):
    """Everything random in one round. F is ``train_freq``."""

    warm_up: jax.Array  # (F, N) or (F, N, A): actions to take while env_steps < learning_starts
    act: jax.Array  # (F,) keys of the exploring actions
    envs: jax.Array  # (F, N) keys of transitions and resets
    sample: jax.Array  # () key of the minibatches
    noise: Tree  # (U, B, ...) of the updates
    initial: Tree = None  # (F, N, ...) states that resets take, instead of drawing them


class Progress(NamedTuple):
    """What some rounds tell."""

    episodes: jax.Array  # () int32 that ended
    return_sum: jax.Array  # () of those episodes
    length_sum: jax.Array  # () int32
    finite: jax.Array  # () bool: every reward and observation was
    metrics: dict[str, jax.Array]  # of the last update


Carry = tuple[FusedState, Progress]


class Fused(NamedTuple):
    """The loop's pure functions; jit and vmap them."""

    init: Callable[..., FusedState]  # (params, hyper, key) -> state
    run: Callable[..., Carry]  # (state, start, stop, draws=None): rounds start to stop - 1


def make_fused(
    learner: Learner, env: FunctionalEnv, config: OffPolicyConfig, num_envs: int, replay: Replay | None = None
) -> Fused:
    """Make the loop for a learner on an environment; ``replay`` is that of ``default_replay`` unless one is given.

    ``run``'s ``start`` and ``stop`` are () int32 and may be traced: one compiled program serves every number of rounds.
    Donate its state. ``draws``, where given, are (stop - start, ...).

    Raises:
        ConfigError: the replay's storage has nothing to draw from when learning starts.
    """
    spec, frequency, size = env.spec, config.train_freq, num_envs * config.train_freq
    storage, sampler = replay or default_replay(spec)
    updates = size if config.gradient_steps == -1 else config.gradient_steps
    warm_rounds = config.learning_starts // size  # after these nothing is learned yet
    shape = updates, config.batch_size
    check_first_draw(storage, config.learning_starts, (warm_rounds + 1) * frequency)

    def init(params: Tree, hyper: Tree, key: jax.Array) -> FusedState:
        key, subkey = jax.random.split(key)
        envs, obs = jax.vmap(partial(reset, env))(jax.random.split(subkey, num_envs))
        stored = storage.init(config.buffer_size, num_envs, spec)
        weighed = sampler.init(config.buffer_size // num_envs, num_envs)
        returns, lengths = jnp.zeros(num_envs, jnp.float32), jnp.zeros(num_envs, jnp.int32)
        return FusedState(learner.init(params, hyper), stored, envs, obs, returns, lengths, key, weighed)

    def draw(state: FusedState) -> tuple[FusedState, Draws]:
        key, *keys = jax.random.split(state.key, 6)
        warm_up = random_actions(spec, keys[0], (frequency, num_envs))
        act_keys, env_keys = jax.random.split(keys[1], frequency), jax.random.split(keys[2], (frequency, num_envs))
        noise = learner.sample_noise(keys[4], shape)
        return state._replace(key=key), Draws(warm_up, act_keys, env_keys, keys[3], noise)

    def choose(state: FusedState, env_steps: jax.Array, draws: Draws, learns: bool) -> jax.Array:  # (N,) or (N, A)
        if not learns:
            return draws.warm_up
        policy = learner.act(state.learner, state.obs, learner.act_noise(draws.act, num_envs), env_steps)
        return jnp.where(env_steps < config.learning_starts, draws.warm_up, policy.astype(draws.warm_up.dtype))

    def interact(learns: bool, carry: Carry, inputs: tuple[jax.Array, Draws]) -> tuple[Carry, None]:
        """Make one step of every environment."""
        (state, progress), (vector_step, draws) = carry, inputs
        env_steps = jnp.minimum(vector_step, LAST_STEP // num_envs) * num_envs  # beyond int32 every schedule has ended
        action = choose(state, env_steps, draws, learns)
        envs, out = jax.vmap(partial(step, env))(state.envs, action, draws.envs, draws.initial)
        transition = Transition(state.obs, action, out.reward, out.next_obs, out.terminated)
        ended = out.terminated | out.truncated
        returns, lengths = state.episode_return + out.reward, state.episode_length + 1
        progress = progress._replace(
            episodes=progress.episodes + jnp.sum(ended, dtype=jnp.int32),
            return_sum=progress.return_sum + jnp.sum(jnp.where(ended, returns, 0)),
            length_sum=progress.length_sum + jnp.sum(jnp.where(ended, lengths, 0), dtype=jnp.int32),
            finite=progress.finite & jnp.isfinite(out.reward).all() & jnp.isfinite(out.next_obs).all(),
        )
        stored, row = storage.add(state.replay, transition, out.truncated, vector_step)
        weighed = sampler.add(state.sampler, row)
        kept = jnp.where(ended, 0, returns), jnp.where(ended, 0, lengths)
        return (FusedState(state.learner, stored, envs, out.obs, *kept, state.key, weighed), progress), None

    def learn(state: FusedState, progress: Progress, vector_steps: jax.Array, draws: Draws) -> Carry:
        """Make the updates of a round, after so many steps of every environment."""
        span = storage.span(state.replay, vector_steps)
        indices, weights, weighed = sampler.sample(state.sampler, span, draws.sample, shape)
        batch = storage.take(state.replay, indices)
        batch = batch if weights is None else batch._replace(weight=weights)
        learned, info = update_many(learner, state.learner, batch, draws.noise)
        weighed = sampler.feedback(weighed, indices, info.td_error)
        progress = progress._replace(metrics=jax.tree.map(lambda x: x[-1], info.metrics))
        return state._replace(learner=learned, sampler=weighed), progress

    def run(state: FusedState, start: jax.Array, stop: jax.Array, draws: Draws | None = None) -> Carry:
        def one_round(learns: bool, number: jax.Array, carry: Carry) -> Carry:
            state, progress = carry
            if draws is None:
                state, now = draw(state)
            else:
                now = jax.tree.map(lambda x: x[number - start], draws)
            vector_steps = number * frequency + jnp.arange(frequency)
            of_steps = now._replace(sample=None, noise=None)  # type: ignore[arg-type] # a tree with fewer leaves
            carry, _ = jax.lax.scan(partial(interact, learns), (state, progress), (vector_steps, of_steps))
            return learn(*carry, (number + 1) * frequency, now) if learns else carry

        progress = nothing_yet(learner, state.learner, storage.take(state.replay, jnp.zeros(config.batch_size, int)))
        switch = jnp.clip(warm_rounds, start, stop)
        carry = jax.lax.fori_loop(start, switch, partial(one_round, False), (state, progress))
        return jax.lax.fori_loop(switch, stop, partial(one_round, True), carry)

    return Fused(init, run)


def check_first_draw(storage: Storage, learning_starts: int, vector_steps: int) -> None:
    """Raise ConfigError where nothing can be drawn after so many steps of every environment."""
    if vector_steps < storage.least:
        allowed = f"more: after {vector_steps} steps of every environment the replay has nothing to draw from"
        raise ConfigError("algo.learning_starts", learning_starts, allowed)


def random_actions(spec: EnvSpec, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draw actions uniformly over the action space, in its units: (*shape,) int32 or (*shape, A) float32."""
    if spec.discrete:
        return jax.random.randint(key, shape, 0, spec.action_dim, jnp.int32) + spec.action_start
    low, high = jnp.asarray(spec.action_low, jnp.float32), jnp.asarray(spec.action_high, jnp.float32)
    return jax.random.uniform(key, (*shape, spec.action_dim), jnp.float32, low, high)


def nothing_yet(learner: Learner, state: LearnerState, batch: Transition) -> Progress:
    """Return what no rounds tell: metrics are 0 until there is an update."""
    noise = learner.sample_noise(jax.random.key(0), batch.reward.shape)
    _, info = jax.eval_shape(learner.update, state, batch, noise)
    metrics = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), info.metrics)
    zero = jnp.zeros((), jnp.int32)
    return Progress(zero, jnp.zeros((), jnp.float32), zero, jnp.ones((), bool), metrics)


class Episodes(NamedTuple):
    """What greedy episodes came to."""

    returns: jax.Array  # (episodes,) float32
    lengths: jax.Array  # (episodes,) int32
    cut: jax.Array  # (episodes,) bool: which had no end within LONGEST_EPISODE steps


def play(learner: Learner, env: FunctionalEnv, state: LearnerState, key: jax.Array, episodes: int) -> Episodes:
    """Play greedy episodes, all together; every one counts, however long it is, up to LONGEST_EPISODE of host.py."""

    class Play(NamedTuple):
        envs: EnvState
        obs: jax.Array
        total: jax.Array  # (episodes,) float32
        length: jax.Array  # (episodes,) int32
        playing: jax.Array  # (episodes,) bool
        key: jax.Array

    def one_step(now: Play) -> Play:
        key, subkey = jax.random.split(now.key)
        action = learner.greedy(state, now.obs)
        envs, out = jax.vmap(partial(step, env))(now.envs, action, jax.random.split(subkey, episodes))
        total, length = now.total + out.reward * now.playing, now.length + now.playing
        return Play(envs, out.obs, total, length, now.playing & ~(out.terminated | out.truncated), key)

    key, subkey = jax.random.split(key)
    envs, obs = jax.vmap(partial(reset, env))(jax.random.split(subkey, episodes))
    zeros = jnp.zeros(episodes, jnp.float32)
    begin = Play(envs, obs, zeros, zeros.astype(jnp.int32), jnp.ones(episodes, bool), key)
    longest = loop.LONGEST_EPISODE
    end = jax.lax.while_loop(lambda now: (now.playing & (now.length < longest)).any(), one_step, begin)
    return Episodes(end.total, end.length, end.playing)
