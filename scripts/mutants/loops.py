"""Bugs in the host loop, its replay and its seeds: what it chooses, what it tells, what it goes on from."""

from mutants import Bug

LOOP, STORAGE, UNIFORM, HOST = "loops/host.py", "replay/storage.py", "replay/samplers.py", "envs/host.py"
SEEDING = "seeding.py"
LAWS, RECORDS, COUNTS, SCHEDULE = "test_loop_laws.py", "test_loop_records.py", "test_loop.py", "test_schedule.py"
BOTH_SEEDS = f"{LAWS}::test_every_purpose_has_a_stream_of_its_own"
BATCHES = f"{LAWS}::test_minibatches_are_uniform_over_what_the_replay_holds"
BUGS = [
    # Seeds and streams
    Bug("a stream ignores its purpose", SEEDING, "[seed, zlib.crc32(purpose.encode()), *more]", "[seed, *more]", f"{LAWS}::test_every_purpose_has_a_stream_of_its_own"),
    Bug("a stream ignores its seed", SEEDING, "[seed, zlib.crc32(purpose.encode()), *more]", "[zlib.crc32(purpose.encode()), *more]", f"{LAWS}::test_every_purpose_has_a_stream_of_its_own"),
    Bug("a stream ignores what comes after its purpose", SEEDING, "zlib.crc32(purpose.encode()), *more]", "zlib.crc32(purpose.encode())]", f"{LAWS}::test_every_purpose_has_a_stream_of_its_own"),
    Bug("integer() ignores its purpose", SEEDING, "stream(seed, purpose, *more).integers", 'stream(seed, "integer", *more).integers', f"{LAWS}::test_every_purpose_has_a_stream_of_its_own"),
    Bug("the training environments' seed is always 0", LOOP, 'self.envs.reset(integer(config.seed, "envs"))', 'self.envs.reset(integer(0, "envs"))', f"{LAWS}::test_the_environments_are_seeded_by_the_run[1-1779611895]"),
    Bug("evaluations ignore the step", LOOP, 'integer(self.config.seed, "evaluation", self.env_steps)', 'integer(self.config.seed, "evaluation")', f"{LAWS}::test_every_evaluation_starts_its_episodes_elsewhere"),
    Bug("evaluations ignore the run's seed", LOOP, 'integer(self.config.seed, "evaluation", self.env_steps)', 'integer(0, "evaluation", self.env_steps)', f"{LAWS}::test_every_evaluation_starts_its_episodes_elsewhere"),
    Bug("an evaluation plays the same starts again and again", LOOP, 'integer(seed, "evaluation", first)', 'integer(seed, "evaluation")', f"{LAWS}::test_every_evaluation_starts_its_episodes_elsewhere"),
    Bug("one generator for warm-up and minibatches", LOOP, 'stream(config.seed, "minibatch")', 'stream(config.seed, "warm-up")', f"{LAWS}::test_the_loop_draws_from_the_streams_of_its_seed"),
    # Warm-up
    Bug("the last action is never drawn", HOST, "spec.action_start + spec.action_dim, self", "spec.action_start + spec.action_dim - 1, self", f"{LAWS}::test_random_actions_are_uniform_over_all_there_are"),
    Bug("the first action's number ignored in warm-up", HOST, "rng.integers(spec.action_start, spec.action_start + spec.action_dim, self.num_envs, np.int32)", "rng.integers(0, spec.action_dim, self.num_envs, np.int32)", f"{LAWS}::test_random_actions_are_uniform_over_all_there_are"),
    Bug("one random action for all environments", HOST, "rng.integers(spec.action_start, spec.action_start + spec.action_dim, self.num_envs, np.int32)", "np.full(self.num_envs, rng.integers(spec.action_start, spec.action_start + spec.action_dim), np.int32)", f"{LAWS}::test_random_actions_are_uniform_over_all_there_are"),
    Bug("warm-up from the middle half of the box", HOST, "rng.uniform(spec.action_low, spec.action_high, size)", "0.5 * rng.uniform(spec.action_low, spec.action_high, size) + 0.25 * np.add(spec.action_low, spec.action_high)", f"{LAWS}::test_random_actions_fill_the_box"),
    Bug("one random number for all dimensions", HOST, "rng.uniform(spec.action_low, spec.action_high, size)", "(np.array(spec.action_low) + rng.uniform(size=(self.num_envs, 1)) * np.subtract(spec.action_high, spec.action_low))", f"{LAWS}::test_random_actions_fill_the_box"),
    Bug("one warm-up step too many", LOOP, "if self.env_steps < self.agent.config.learning_starts", "if self.env_steps <= self.agent.config.learning_starts", f"{COUNTS}::test_the_agent_acts_after_the_warm_up_and_is_told_the_env_steps"),
    Bug("the agent is told vector steps", LOOP, "env_steps=self.env_steps)", "env_steps=self.env_steps // self.envs.num_envs)", f"{COUNTS}::test_the_agent_acts_after_the_warm_up_and_is_told_the_env_steps"),
    # When it learns
    Bug("one round of updates too early", LOOP, "self.env_steps <= config.learning_starts or", "self.env_steps < config.learning_starts or", f"{COUNTS}::test_number_of_updates[1-20-config1-15-1]"),
    Bug("train_freq counts env steps", LOOP, "vector_steps = self.env_steps // num_envs", "vector_steps = self.env_steps", f"{COUNTS}::test_number_of_updates[4-48-config9-5-1]"),
    Bug("gradient_steps=-1 forgets the environments", LOOP, "config.train_freq * num_envs if", "config.train_freq if", f"{COUNTS}::test_number_of_updates[3-30-config6-8-3]"),
    # The replay
    Bug("only the first of N environments is sampled", STORAGE, "return Span(len(self), ", "return Span(self.filled, ", f"{LAWS}::test_the_loop_draws_from_the_streams_of_its_seed"),
    Bug("the newest round is never sampled", STORAGE, "return Span(len(self), ", "return Span(max(1, len(self) - self.num_envs), ", f"{LAWS}::test_the_loop_draws_from_the_streams_of_its_seed"),
    Bug("after the wrap only what lies before the write position", STORAGE, "return Span(len(self), ", "return Span((self.position or self.rows) * self.num_envs, ", f"{LAWS}::test_minibatches_are_uniform_over_what_the_replay_holds[9-1]"),
    Bug("the first half of the replay", UNIFORM, "rng.integers(span.length, size", "rng.integers((span.length + 1) // 2, size", f"{LAWS}::test_the_loop_draws_from_the_streams_of_its_seed"),
    Bug("the whole ring before it is full", UNIFORM, "rng.integers(span.length, size", "rng.integers(span.size, size", f"{LAWS}::test_the_loop_draws_from_the_streams_of_its_seed"),
    Bug("one minibatch for all updates of a round", UNIFORM, "rng.integers(span.length, size=(num_batches, batch_size))", "np.repeat(rng.integers(span.length, size=(1, batch_size)), num_batches, 0)", f"{LAWS}::test_the_loop_draws_from_the_streams_of_its_seed"),
    Bug("images stored as floats", STORAGE, '\n        "obs": (spec.obs_shape, spec.obs_dtype)', '\n        "obs": (spec.obs_shape, "float32")', "test_replay.py::test_shapes_and_dtypes_of_a_sample"),
    Bug("the row does not wrap", STORAGE, "self.position = (row + 1) % self.rows", "self.position = min(row + 1, self.rows - 1)", "test_replay.py::test_it_holds_the_newest"),
    Bug("next_obs is obs", STORAGE, 'data["next_obs"][row] = transition.next_obs', 'data["next_obs"][row] = transition.obs', "test_replay.py::test_all_fields_of_a_sample_belong_together"),
    Bug("the position is lost on loading", STORAGE, "self.filled, self.position = filled, position", "self.filled, self.position = filled, 0", "test_replay.py::test_a_loaded_replay_goes_on_to_the_bit"),
    # What is told
    Bug("the first update's metrics, not the last's", LOOP, "float(value[-1])", "float(value[0])", f"{RECORDS}::test_the_metrics_are_those_of_the_last_update[1-2-3-losses1]"),
    Bug("std is variance", LOOP, "float(returns.std())", "float(returns.var())", f"{RECORDS}::test_the_spread_of_an_evaluation_is_its_standard_deviation"),
    Bug("rates since the run began", LOOP, "self.env_steps, self.num_updates, self.start = env_steps, num_updates, now\n        return values", "return values", f"{RECORDS}::test_rates_are_since_the_last_record"),
    Bug("updates since the run began", LOOP, "self.env_steps, self.num_updates, self.start = env_steps, num_updates, now\n        return values", "self.env_steps, self.start = env_steps, now\n        return values", f"{RECORDS}::test_rates_are_since_the_last_record"),
    Bug("evaluations count as training time", LOOP, "with stopwatch.paused():\n                    yield self._evaluate()", "if True:\n                    yield self._evaluate()", f"{RECORDS}::test_neither_evaluations_nor_checkpoints_count_as_time"),
    Bug("checkpoints count as training time", LOOP, "with stopwatch.paused():\n                    yield self._checkpoint()", "if True:\n                    yield self._checkpoint()", f"{RECORDS}::test_neither_evaluations_nor_checkpoints_count_as_time"),
    Bug("episodes are told again and again", LOOP, "self.ended[:] = 0", "pass", f"{RECORDS}::test_the_episodes_of_a_record_are_those_since_the_last[False]"),
    Bug("an episode's return goes on into the next", LOOP, "self.episode_return[ended] = 0", "pass", f"{RECORDS}::test_the_episodes_of_a_record_are_those_since_the_last[False]"),
    Bug("an episode's length goes on into the next", LOOP, "self.episode_length[ended] = 0", "pass", f"{RECORDS}::test_the_episodes_of_a_record_are_those_since_the_last[False]"),
    Bug("a truncated episode is not told", LOOP, "if (ended := step.terminated | step.truncated).any()", "if (ended := step.terminated).any()", f"{RECORDS}::test_the_episodes_of_a_record_are_those_since_the_last[True]"),
    # The best
    Bug("best follows the last evaluation", LOOP, "self.best_return = max(self.best_return, values[\"eval/mean_return\"])", "self.best_return = values[\"eval/mean_return\"]", f"{RECORDS}::test_best_is_what_no_evaluation_before_has_reached"),
    Bug("every evaluation is the best", LOOP, '> self.best_return\n', '> -math.inf\n', f"{RECORDS}::test_best_is_what_no_evaluation_before_has_reached"),
    Bug("only the first evaluation is the best", LOOP, "> self.best_return\n", "> self.best_return and self.best_return == -math.inf\n", f"{RECORDS}::test_best_is_what_no_evaluation_before_has_reached"),
    Bug("as good as the best is best", LOOP, "> self.best_return\n", ">= self.best_return\n", f"{COUNTS}::test_values_of_records"),
    Bug("the best is forgotten on resume", LOOP, '-math.inf if state["best_return"] is None else state["best_return"]', "-math.inf", f"{RECORDS}::test_a_loop_that_goes_on_remembers_the_best_the_metrics_and_the_episodes"),
    # When a record is due
    Bug("a record is due at multiples alone", "loops/schedule.py", "env_steps % every < self._stride", "env_steps % every == 0", f"{SCHEDULE}::test_what_is_due_at_which_steps[3-10-expected2]"),
    Bug("a record is due a stride too often", "loops/schedule.py", "env_steps % every < self._stride", "env_steps % every <= self._stride", f"{SCHEDULE}::test_what_is_due_at_which_steps[1-20-expected0]"),
    Bug("a period of 0 is over at once", "loops/schedule.py", "return every > 0 and", "return every == 0 or", f"{SCHEDULE}::test_what_is_due_at_which_steps[6-0-expected9]"),
    Bug("two checkpoints at the end", "loops/schedule.py", " and env_steps < config.total_timesteps", "", f"{SCHEDULE}::test_what_is_due_at_which_steps[1-20-expected0]"),
    Bug("a chunk ends before what is due", "loops/schedule.py", "-(-min(*targets, config.total_timesteps) // self._stride)", "(min(*targets, config.total_timesteps) // self._stride)", f"{SCHEDULE}::test_where_a_loop_stops_that_stops_only_where_something_is_due[6-periods1-expected1]"),
    # Going on
    Bug("metrics are lost on resume", LOOP, 'self.metrics = state["metrics"]', "self.metrics = {}", f"{RECORDS}::test_a_loop_that_goes_on_remembers_the_best_the_metrics_and_the_episodes"),
    Bug("an episode that is not restored keeps its return", LOOP, 'np.where(restored, state["episode_return"], 0.0)', 'np.array(state["episode_return"])', f"{RECORDS}::test_a_loop_that_goes_on_remembers_the_best_the_metrics_and_the_episodes"),
    Bug("an episode that is not restored keeps its length", LOOP, 'np.where(restored, state["episode_length"], 0)', 'np.array(state["episode_length"])', f"{RECORDS}::test_a_loop_that_goes_on_remembers_the_best_the_metrics_and_the_episodes"),
    Bug("the minibatches begin anew on resume", LOOP, 'self.minibatch_rng.bit_generator.state = state["minibatch_rng"]', "pass", f"{COUNTS}::test_a_loop_goes_on_bit_by_bit"),
    Bug("the seed of a reset is not kept", HOST, "self._seed = seed\n", "pass\n", f"{RECORDS}::test_environments_that_are_restored_keep_the_seed_of_the_next_reset"),
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
