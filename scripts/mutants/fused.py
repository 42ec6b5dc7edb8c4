"""Bugs in the compiled loop: what it draws, what it does when, what it stores."""

from mutants import Bug

FUSED, SEEDS = "loops/fused_jax.py", "loops/seeds_jax.py"
RING, UNIFORM = "replay/storage_jax.py", "replay/samplers_jax.py"
DRAWS = "test_fused_draws.py"
KEYS = f"{DRAWS}::test_no_key_is_used_twice"
POLICY = f"{DRAWS}::test_the_policy_acts_from_learning_starts_on"
ACTIONS = f"{DRAWS}::test_random_actions_are_uniform_over_all_there_are"
BOX = f"{DRAWS}::test_random_actions_fill_the_box"
BATCHES = f"{DRAWS}::test_minibatches_are_uniform_over_what_the_replay_holds"
OWN_BATCH = f"{DRAWS}::test_every_update_has_a_minibatch_of_its_own"
PLAY = f"{DRAWS}::test_every_episode_of_an_evaluation_draws_its_own"
OF_SEEDS = f"{DRAWS}::test_seeds_and_evaluations_share_no_random_numbers"
BUGS = [
    # What is drawn
    Bug("every round draws the same", FUSED, "return state._replace(key=key), Draws(", "return state, Draws(", KEYS),
    Bug("environments share their step keys", FUSED, "jax.random.split(keys[2], (frequency, num_envs))", "jnp.repeat(jax.random.split(keys[2], (frequency, 1)), num_envs, 1)", KEYS),
    Bug("all steps of a round share their keys", FUSED, "jax.random.split(keys[2], (frequency, num_envs))", "jnp.repeat(jax.random.split(keys[2], (1, num_envs)), frequency, 0)", f"{KEYS}[3-2]"),
    Bug("environments begin with one key", FUSED, "jax.vmap(partial(reset, env))(jax.random.split(subkey, num_envs))", "jax.vmap(partial(reset, env))(jnp.repeat(subkey[None], num_envs))", f"{KEYS}[3-2]"),
    Bug("an action's key is an environment's", FUSED, "jax.random.split(keys[1], frequency), jax", "jax.random.split(keys[2], (frequency, num_envs))[:, 0], jax", KEYS),
    Bug("one key for all actions of a round", FUSED, "jax.random.split(keys[1], frequency), jax", "jnp.repeat(keys[1][None], frequency), jax", f"{KEYS}[3-2]"),
    Bug("the noise's key is the actions'", FUSED, "learner.sample_noise(keys[4], shape)", "learner.sample_noise(keys[1], shape)", KEYS),
    Bug("one noise for all updates of a round", FUSED, "learner.sample_noise(keys[4], shape)", "jnp.repeat(learner.sample_noise(keys[4], shape)[:1], updates, 0)", f"{KEYS}[3-2]"),
    Bug("one minibatch for all updates of a round", UNIFORM, "jax.random.randint(key, shape, 0, span.length)", "jax.random.randint(key, shape, 0, span.length)[:1].repeat(shape[0], 0)", OWN_BATCH),
    Bug("the last action is never drawn", FUSED, "0, spec.action_dim, jnp.int32)", "0, spec.action_dim - 1, jnp.int32)", ACTIONS),
    Bug("the first action's number ignored in warm-up", FUSED, "jnp.int32) + spec.action_start", "jnp.int32)", ACTIONS),
    Bug("half of the box in warm-up", FUSED, "jnp.float32, low, high)", "jnp.float32, low / 2, high / 2)", BOX),
    Bug("the upper half of the box in warm-up", FUSED, "jnp.float32, low, high)", "jnp.float32, (low + high) / 2, high)", BOX),
    Bug("one random action for all environments", FUSED, "random_actions(spec, keys[0], (frequency, num_envs))", "jnp.repeat(random_actions(spec, keys[0], (frequency, 1)), num_envs, 1)", ACTIONS),
    Bug("one random number for all dimensions of an action", FUSED, "jax.random.uniform(key, (*shape, spec.action_dim), jnp.float32, low, high)", "jax.random.uniform(key, (*shape, 1), jnp.float32) * (high - low) + low", BOX),
    # When what is done
    Bug("the policy is never followed", FUSED, "env_steps < config.learning_starts, draws", "env_steps >= 0, draws", POLICY),
    Bug("one warm-up step too many", FUSED, "env_steps < config.learning_starts, draws", "env_steps <= config.learning_starts, draws", POLICY),
    Bug("one warm-up step too few", FUSED, "env_steps < config.learning_starts, draws", "env_steps + num_envs < config.learning_starts, draws", POLICY),
    Bug("the policy waits for the first update", FUSED, "env_steps < config.learning_starts, draws", "env_steps < warm_rounds * size + size, draws", POLICY),
    Bug("vector steps taken for env steps", FUSED, "choose(state, env_steps, draws", "choose(state, vector_step, draws", POLICY),
    Bug("env steps overflow", FUSED, "jnp.minimum(vector_step, LAST_STEP // num_envs) * num_envs", "vector_step * num_envs", f"{DRAWS}::test_the_policy_acts_beyond_two_to_the_31_env_steps"),
    Bug("a round of updates too many", FUSED, "warm_rounds = config.learning_starts // size", "warm_rounds = max(0, config.learning_starts // size - 1)", POLICY),
    Bug("a round of updates too few", FUSED, "warm_rounds = config.learning_starts // size", "warm_rounds = config.learning_starts // size + 1", POLICY),
    Bug("gradient_steps=-1 forgets the environments", FUSED, "updates = size if", "updates = frequency if", POLICY),
    # The replay
    Bug("only the first of N environments is sampled", RING, "jnp.minimum(vector_steps, rows) * num_envs, ", "jnp.minimum(vector_steps, rows), ", BATCHES),
    Bug("no clamp after the wrap", RING, "jnp.minimum(vector_steps, rows) * num_envs, ", "vector_steps * num_envs, ", BATCHES),
    Bug("rows without data are sampled", RING, "jnp.minimum(vector_steps, rows) * num_envs, ", "rows * num_envs, ", BATCHES),
    Bug("the newest round is never sampled", FUSED, "learn(*carry, (number + 1) * frequency, now)", "learn(*carry, jnp.maximum(number * frequency, 1), now)", BATCHES),
    Bug("after the wrap only what lies before the write position", RING, "jnp.minimum(vector_steps, rows) * num_envs, ", "jnp.where(vector_steps > rows, vector_steps % rows + 1, vector_steps) * num_envs, ", BATCHES),
    Bug("the first half of the replay", RING, "jnp.minimum(vector_steps, rows) * num_envs, ", "(jnp.minimum(vector_steps, rows) * num_envs + 1) // 2, ", BATCHES),
    Bug("the last transition is never sampled", RING, "jnp.minimum(vector_steps, rows) * num_envs, ", "jnp.maximum(jnp.minimum(vector_steps, rows) * num_envs - 1, 1), ", BATCHES),
    Bug("the row does not wrap", RING, "row = vector_step % ring.reward.shape[0]", "row = jnp.minimum(vector_step, ring.reward.shape[0] - 1)", BATCHES),
    Bug("images stored as floats", RING, "(jnp.zeros((*shape, *spec.obs_shape), spec.obs_dtype) for _ in range(2))", "(jnp.zeros((*shape, *spec.obs_shape), jnp.float32) for _ in range(2))", f"{DRAWS}::test_a_ring_of_images_holds_bytes"),
    # Evaluation, and the seeds
    Bug("all episodes of an evaluation are alike", FUSED, "jax.vmap(partial(reset, env))(jax.random.split(subkey, episodes))", "jax.vmap(partial(reset, env))(jnp.repeat(subkey[None], episodes))", PLAY),
    Bug("episodes of an evaluation share their step keys", FUSED, "jax.random.split(subkey, episodes))\n        total", "jnp.repeat(subkey[None], episodes))\n        total", PLAY),
    Bug("every step of an evaluation draws the same", FUSED, "truncated), key)", "truncated), now.key)", f"{DRAWS}::test_every_step_of_an_evaluation_draws_its_own"),
    Bug("evaluations always begin alike", SEEDS, 'self._keys("evaluation", *tag)', 'self._keys("evaluation")', OF_SEEDS),
    Bug("all seeds share their random numbers", SEEDS, "jax.random.key(integer(seed, purpose, *more)) for seed", "jax.random.key(integer(self._seeds[0], purpose, *more)) for _", OF_SEEDS),
]  # fmt: skip
