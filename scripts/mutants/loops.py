"""Bugs in the host loop, its replay and its seeds: what it chooses, what it tells, what it goes on from."""

from mutants import Bug

LOOP, STORAGE, UNIFORM, HOST = "loops/host.py", "replay/storage.py", "replay/samplers.py", "envs/host.py"
SEEDING = "seeding.py"
LAWS, RECORDS, COUNTS, SCHEDULE = "test_loop_laws.py", "test_loop_records.py", "test_loop.py", "test_schedule.py"
BOTH_SEEDS = f"{LAWS}::test_every_purpose_has_a_stream_of_its_own"
BATCHES = f"{LAWS}::test_minibatches_are_uniform_over_what_the_replay_holds"
BUGS = [
    # Seeds and streams
    Bug("a stream ignores its purpose", SEEDING, "[seed, zlib.crc32(purpose.encode()), *more]", "[seed, *more]", LAWS),
    Bug("a stream ignores its seed", SEEDING, "[seed, zlib.crc32(purpose.encode()), *more]", "[zlib.crc32(purpose.encode()), *more]", LAWS),
    Bug("a stream ignores what comes after its purpose", SEEDING, "zlib.crc32(purpose.encode()), *more]", "zlib.crc32(purpose.encode())]", LAWS),
    Bug("integer() ignores its purpose", SEEDING, "stream(seed, purpose, *more).integers", 'stream(seed, "integer", *more).integers', LAWS),
    Bug("the training environments' seed is always 0", LOOP, 'self.envs.reset(integer(config.seed, "envs"))', 'self.envs.reset(integer(0, "envs"))', LAWS),
    Bug("evaluations ignore the step", LOOP, 'integer(self.config.seed, "evaluation", self.env_steps)', 'integer(self.config.seed, "evaluation")', LAWS),
    Bug("evaluations ignore the run's seed", LOOP, 'integer(self.config.seed, "evaluation", self.env_steps)', 'integer(0, "evaluation", self.env_steps)', LAWS),
    Bug("an evaluation plays the same starts again and again", LOOP, 'integer(seed, "evaluation", first)', 'integer(seed, "evaluation")', LAWS),
    Bug("one generator for warm-up and minibatches", LOOP, 'stream(config.seed, "minibatch")', 'stream(config.seed, "warm-up")', LAWS),
    # Warm-up
    Bug("the last action is never drawn", HOST, "spec.action_start + spec.action_dim, self", "spec.action_start + spec.action_dim - 1, self", LAWS),
    Bug("the first action's number ignored in warm-up", HOST, "rng.integers(spec.action_start, spec.action_start + spec.action_dim, self.num_envs, np.int32)", "rng.integers(0, spec.action_dim, self.num_envs, np.int32)", LAWS),
    Bug("one random action for all environments", HOST, "rng.integers(spec.action_start, spec.action_start + spec.action_dim, self.num_envs, np.int32)", "np.full(self.num_envs, rng.integers(spec.action_start, spec.action_start + spec.action_dim), np.int32)", LAWS),
    Bug("warm-up from the middle half of the box", HOST, "rng.uniform(spec.action_low, spec.action_high, size)", "0.5 * rng.uniform(spec.action_low, spec.action_high, size) + 0.25 * np.add(spec.action_low, spec.action_high)", LAWS),
    Bug("one random number for all dimensions", HOST, "rng.uniform(spec.action_low, spec.action_high, size)", "(np.array(spec.action_low) + rng.uniform(size=(self.num_envs, 1)) * np.subtract(spec.action_high, spec.action_low))", LAWS),
    Bug("one warm-up step too many", LOOP, "if self.env_steps < self.agent.config.learning_starts", "if self.env_steps <= self.agent.config.learning_starts", COUNTS),
    Bug("the agent is told vector steps", LOOP, "env_steps=self.env_steps)", "env_steps=self.env_steps // self.envs.num_envs)", COUNTS),
    # When it learns
    Bug("one round of updates too early", LOOP, "self.env_steps <= config.learning_starts or", "self.env_steps < config.learning_starts or", COUNTS),
    Bug("train_freq counts env steps", LOOP, "vector_steps = self.env_steps // num_envs", "vector_steps = self.env_steps", COUNTS),
    Bug("gradient_steps=-1 forgets the environments", LOOP, "config.train_freq * num_envs if", "config.train_freq if", COUNTS),
    # The replay
    Bug("only the first of N environments is sampled", STORAGE, "return Span(len(self), ", "return Span(self.filled, ", LAWS),
    Bug("the newest round is never sampled", STORAGE, "return Span(len(self), ", "return Span(max(1, len(self) - self.num_envs), ", LAWS),
    Bug("after the wrap only what lies before the write position", STORAGE, "return Span(len(self), ", "return Span((self.position or self.rows) * self.num_envs, ", LAWS),
    Bug("the first half of the replay", UNIFORM, "rng.integers(span.length, size", "rng.integers((span.length + 1) // 2, size", LAWS),
    Bug("the whole ring before it is full", UNIFORM, "rng.integers(span.length, size", "rng.integers(span.size, size", LAWS),
    Bug("one minibatch for all updates of a round", UNIFORM, "rng.integers(span.length, size=(num_batches, batch_size))", "np.repeat(rng.integers(span.length, size=(1, batch_size)), num_batches, 0)", LAWS),
    Bug("images stored as floats", STORAGE, '\n        "obs": (spec.obs_shape, spec.obs_dtype)', '\n        "obs": (spec.obs_shape, "float32")', "test_replay.py"),
    Bug("the row does not wrap", STORAGE, "self.position = (row + 1) % self.rows", "self.position = min(row + 1, self.rows - 1)", "test_replay.py"),
    Bug("next_obs is obs", STORAGE, 'data["next_obs"][row] = transition.next_obs', 'data["next_obs"][row] = transition.obs', "test_replay.py"),
    Bug("the position is lost on loading", STORAGE, "self.filled, self.position = filled, position", "self.filled, self.position = filled, 0", "test_replay.py"),
    # What is told
    Bug("the first update's metrics, not the last's", LOOP, "float(value[-1])", "float(value[0])", RECORDS),
    Bug("std is variance", LOOP, "float(returns.std())", "float(returns.var())", RECORDS),
    Bug("rates since the run began", LOOP, "self.env_steps, self.num_updates, self.start = env_steps, num_updates, now\n        return values", "return values", RECORDS),
    Bug("updates since the run began", LOOP, "self.env_steps, self.num_updates, self.start = env_steps, num_updates, now\n        return values", "self.env_steps, self.start = env_steps, now\n        return values", RECORDS),
    Bug("evaluations count as training time", LOOP, "with stopwatch.paused():\n                    yield self._evaluate()", "if True:\n                    yield self._evaluate()", RECORDS),
    Bug("checkpoints count as training time", LOOP, "with stopwatch.paused():\n                    yield self._checkpoint()", "if True:\n                    yield self._checkpoint()", RECORDS),
    Bug("episodes are told again and again", LOOP, "self.ended[:] = 0", "pass", RECORDS),
    Bug("an episode's return goes on into the next", LOOP, "self.episode_return[ended] = 0", "pass", RECORDS),
    Bug("an episode's length goes on into the next", LOOP, "self.episode_length[ended] = 0", "pass", RECORDS),
    Bug("a truncated episode is not told", LOOP, "if (ended := step.terminated | step.truncated).any()", "if (ended := step.terminated).any()", RECORDS),
    # The best
    Bug("best follows the last evaluation", LOOP, "self.best_return = max(self.best_return, values[\"eval/mean_return\"])", "self.best_return = values[\"eval/mean_return\"]", RECORDS),
    Bug("every evaluation is the best", LOOP, '> self.best_return\n', '> -math.inf\n', RECORDS),
    Bug("only the first evaluation is the best", LOOP, "> self.best_return\n", "> self.best_return and self.best_return == -math.inf\n", RECORDS),
    Bug("as good as the best is best", LOOP, "> self.best_return\n", ">= self.best_return\n", COUNTS),
    Bug("the best is forgotten on resume", LOOP, '-math.inf if state["best_return"] is None else state["best_return"]', "-math.inf", RECORDS),
    # When a record is due
    Bug("a record is due at multiples alone", "loops/schedule.py", "env_steps % every < self._stride", "env_steps % every == 0", SCHEDULE),
    Bug("a record is due a stride too often", "loops/schedule.py", "env_steps % every < self._stride", "env_steps % every <= self._stride", SCHEDULE),
    Bug("a period of 0 is over at once", "loops/schedule.py", "return every > 0 and", "return every == 0 or", SCHEDULE),
    Bug("two checkpoints at the end", "loops/schedule.py", " and env_steps < config.total_timesteps", "", SCHEDULE),
    Bug("a chunk ends before what is due", "loops/schedule.py", "-(-min(*targets, config.total_timesteps) // self._stride)", "(min(*targets, config.total_timesteps) // self._stride)", SCHEDULE),
    # Going on
    Bug("metrics are lost on resume", LOOP, 'self.metrics = state["metrics"]', "self.metrics = {}", RECORDS),
    Bug("an episode that is not restored keeps its return", LOOP, 'np.where(restored, state["episode_return"], 0.0)', 'np.array(state["episode_return"])', RECORDS),
    Bug("an episode that is not restored keeps its length", LOOP, 'np.where(restored, state["episode_length"], 0)', 'np.array(state["episode_length"])', RECORDS),
    Bug("the minibatches begin anew on resume", LOOP, 'self.minibatch_rng.bit_generator.state = state["minibatch_rng"]', "pass", COUNTS),
    Bug("the seed of a reset is not kept", HOST, "self._seed = seed\n", "pass\n", RECORDS),
    Bug("the first rates after a resume are of the whole run", LOOP, "Stopwatch(self.env_steps, self.agent.num_updates)", "Stopwatch(0, 0)", f"{RECORDS}::test_the_first_rates_after_a_resume_are_of_what_was_done_since"),
    Bug("metrics since the last record are lost where a run goes on", LOOP, "self.ended, self.metrics, self._info = earlier.ended, earlier.metrics, earlier._info", "self.ended = earlier.ended", "test_training.py::test_what_came_after_the_last_record_is_told_by_the_run_that_goes_on"),
    Bug("episodes since the last record are lost where a run goes on", LOOP, "self.ended, self.metrics, self._info = earlier.ended, earlier.metrics, earlier._info", "self.metrics, self._info = earlier.metrics, earlier._info", "test_training.py::test_what_came_after_the_last_record_is_told_by_the_run_that_goes_on"),
    Bug("an equal id is another environment", "loops/training.py", "env is other or (isinstance(env, str) and env == other)", "env is other", "test_training.py::test_two_runs_are_one"),
    Bug("what an evaluation that fails has made stays open", "loops/training.py", """    try:
        check_fit(agent, envs)
        return evaluate(agent, envs, episodes, seed)
    finally:
        if is_recipe(env):
            envs.close()
""", """    check_fit(agent, envs)
    evaluation = evaluate(agent, envs, episodes, seed)
    if is_recipe(env):
        envs.close()
    return evaluation
""", "test_evaluate_agent.py::test_evaluate_agent_closes_what_it_made_and_nothing_else"),
    Bug("what an environment makes of its action is stored", HOST, "action.astype(self._action_dtype).reshape", "action.astype(self._action_dtype, copy=False).reshape", f"{COUNTS}::test_the_action_that_is_stored_is_the_one_that_was_chosen"),
]  # fmt: skip
