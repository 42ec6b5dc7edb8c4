"""Bugs in what the fused loop tells of its seeds, which are best, and what it saves."""

from mutants import Bug

FUSED, FUSED_RUN, SCHEDULE = "loops/fused.py", "runs/fused_run.py", "loops/schedule.py"
RECORDS, MODEL = "test_fused_records.py", "test_fused_host_model.py"
CUT = "test_fused.py::test_an_episode_without_end_is_cut_and_said"
BUGS = [
    Bug("the first seed's loss for all", FUSED, "float(values.mean()) for tag", "float(values[0]) for tag", f"{RECORDS}::test_metrics_and_episodes_are_means_over_all_seeds"),
    Bug("std of the seeds' means", FUSED, '{"eval/std_return": float(returns.std())}', '{"eval/std_return": float(means.std())}', f"{RECORDS}::test_an_evaluation_is_told_by_seed_and_over_all"),
    Bug("the first seed's return for all", FUSED, 'values = {f"{group}/{name}": float(scores.mean())}', 'values = {f"{group}/{name}": float(scores[0])}', f"{RECORDS}::test_metrics_and_episodes_are_means_over_all_seeds"),
    Bug("episodes are told again and again", FUSED, "self.ended = np.zeros_like(self.ended)", "pass", f"{RECORDS}::test_metrics_and_episodes_are_means_over_all_seeds"),
    Bug("lengths told as returns", FUSED, "count, return_sum, length_sum = self.ended", "count, length_sum, return_sum = self.ended", f"{RECORDS}::test_metrics_and_episodes_are_means_over_all_seeds"),
    Bug("an evaluation ignores the step", FUSED, 'call("evaluate", self.env_steps)', 'call("evaluate", 0)', f"{RECORDS}::test_an_evaluation_is_asked_for_at_its_step"),
    Bug("best follows the last evaluation", FUSED, "self.best_return = np.maximum(self.best_return, means)", "self.best_return = means", f"{RECORDS}::test_every_seed_has_a_best_of_its_own"),
    Bug("the best of any seed is that of all", FUSED, "self.improved = means > self.best_return", "self.improved = np.full(len(means), bool((means > self.best_return).any()))", f"{RECORDS}::test_every_seed_has_a_best_of_its_own"),
    Bug("as good as the best is best", FUSED, "self.improved = means > self.best_return", "self.improved = means >= self.best_return", f"{RECORDS}::test_every_seed_has_a_best_of_its_own"),
    Bug("every evaluation is the best", FUSED, "best=bool(self.improved.any())", "best=True", f"{RECORDS}::test_no_better_evaluation_is_no_best"),
    Bug("every seed is saved as best", FUSED_RUN, "for k in np.flatnonzero(self.loop.improved).tolist():", "for k in range(len(agents)):", f"{RECORDS}::test_every_seed_has_a_best_of_its_own"),
    Bug("the first seed's agent is saved for all", FUSED_RUN, "k, agents[k])", "k, agents[0])", f"{RECORDS}::test_every_agent_is_saved_as_what_it_is"),
    Bug("every agent is said to be of the first seed", FUSED_RUN, "self.config.algo, self.loop.seeds[k], ", "self.config.algo, self.loop.seeds[0], ", f"{RECORDS}::test_every_agent_is_saved_as_what_it_is"),
    Bug("a loss that is no number goes unnoticed", FUSED, "finite |= {tag: np.isfinite(values) for tag, values in self.metrics.items()}", "pass", f"{RECORDS}::test_a_number_that_is_not_finite_stops_all"),
    Bug("a reward that is no number goes unnoticed", FUSED, "finite = {\"a reward or an observation\": np.concatenate([chunk.finite for chunk in chunks])}", "finite = {}", f"{RECORDS}::test_a_number_that_is_not_finite_stops_all"),
    Bug("the updates of one seed are told for all", FUSED, "* a_round * len(self.seeds)", "* a_round", f"{RECORDS}::test_updates_are_counted_over_all_seeds"),
    Bug("the env steps of one seed are told for all", FUSED, "self._reported * self._round_size * len(self.seeds)", "self._reported * self._round_size", f"{RECORDS}::test_the_first_rates_after_a_resume_are_of_what_was_done_since"),
    Bug("that an episode was cut is not said", FUSED, "if cut.any():", "if False:", CUT),
    Bug("an episode without end is cut a step too late", "loops/fused_jax.py", "now.length < longest", "now.length <= longest", CUT),
    # When what is due comes, and what a run goes on from
    Bug("the best is forgotten on resume", FUSED, "-math.inf if best is None else best, run", "-math.inf, run", f"{MODEL}::test_the_fused_loop_tells_and_writes_what_the_naive_one_does"),
    Bug("the seeds' episodes since the last record are forgotten on resume", FUSED, 'best, run["ended"]', "best, [0, 0, 0]", f"{MODEL}::test_the_fused_loop_tells_and_writes_what_the_naive_one_does"),
    Bug("the episodes of the interrupted chunk are told twice", FUSED, '"ended": self.ended[:, k].tolist()', '"ended": (2 * self.ended[:, k]).tolist()', f"{MODEL}::test_the_fused_loop_tells_and_writes_what_the_naive_one_does"),
    Bug("a resumed run tells of its beginning again", FUSED, "self._collected = self._reported = run[", "self._collected = run[", f"{MODEL}::test_the_fused_loop_tells_and_writes_what_the_naive_one_does"),
    Bug("best/ follows the last evaluation", FUSED, "self.improved = means > self.best_return", "self.improved = np.ones(len(means), bool)", f"{MODEL}::test_the_fused_loop_tells_and_writes_what_the_naive_one_does"),
    Bug("a chunk passes over an evaluation", SCHEDULE, "(config.log_every, config.eval_every, config.checkpoint_every) if every", "(config.log_every, config.checkpoint_every) if every", f"{MODEL}::test_the_fused_loop_tells_and_writes_what_the_naive_one_does"),
    Bug("a chunk passes over a checkpoint", SCHEDULE, "(config.log_every, config.eval_every, config.checkpoint_every) if every", "(config.log_every, config.eval_every) if every", f"{MODEL}::test_the_fused_loop_tells_and_writes_what_the_naive_one_does"),
    Bug("a checkpoint is of a chunk too late", FUSED, "due.evaluation or due.checkpoint or is_end", "due.evaluation or is_end", f"{MODEL}::test_the_fused_loop_tells_and_writes_what_the_naive_one_does"),
    Bug("an evaluation is of a chunk too late", FUSED, "due.evaluation or due.checkpoint or is_end", "due.checkpoint or is_end", f"{MODEL}::test_the_fused_loop_tells_and_writes_what_the_naive_one_does"),
    Bug("what is due at the end of a chunk is due one round later", SCHEDULE, "(env_steps // every + 1) * every for", "(env_steps // every + 1) * every + self._stride for", f"{MODEL}::test_the_fused_loop_tells_and_writes_what_the_naive_one_does"),
    Bug("what a stranger's fused replay holds is not looked at", "runs/fused_run.py", "saved.replay(partial(check_fit, own=rest_shapes))", "saved.replay(lambda shapes: None)", "test_spoiled_fused.py::test_a_part_of_an_environments_state_under_another_name_is_refused"),
    Bug("empty rows of a saved replay are looked at", FUSED, 'state.run["env_steps"] // self.config.num_envs)', 'state.run["env_steps"])', "test_fused_records.py::test_of_a_saved_replay_the_rows_that_are_filled_have_to_be_possible"),
    Bug("lengths are of all episodes, not of seeds", "loops/fused.py", "(length_sum[has_ended] / count[has_ended]).mean()", "(length_sum.sum() / count.sum())", "test_fused_records.py::test_every_seed_counts_alike_however_many_episodes_it_has_had"),
    Bug("the interval is a mean's", "loops/fused.py", "bootstrap_interval(scores, interquartile_mean, RESAMPLES)", "bootstrap_interval(scores, lambda x: x.mean(axis=-1), RESAMPLES)", "test_fused_records.py::test_the_interval_is_of_the_interquartile_mean"),
    Bug("a last observation that is not finite is passed over", "loops/fused_jax.py", "jnp.isfinite(out.next_obs).all()", "jnp.isfinite(out.obs).all()", "test_fused_model.py::test_the_last_observation_of_an_episode_is_looked_at"),
    Bug("all seeds go on from the last one's best", "loops/fused.py", "self.best_return[k], self.ended[:, k] = ", "self.best_return[:], self.ended[:, k] = ", "test_fused_records.py::test_every_seed_goes_on_from_its_own"),
    Bug("the first rates after a resume are of the whole run", FUSED, "stopwatch = Stopwatch(*self._work())", "stopwatch = Stopwatch(0, 0)", f"{RECORDS}::test_the_first_rates_after_a_resume_are_of_what_was_done_since"),
    Bug("losses before the first update that is told of", FUSED, "if self._updates(self._reported) else {}", "if self.num_updates else {}", f"{RECORDS}::test_losses_begin_with_the_first_update_that_a_record_tells_of"),
    Bug("an update a vector step for one an environment step", FUSED, "a_round = self._round_size if algo.gradient_steps", "a_round = algo.train_freq if algo.gradient_steps", f"{RECORDS}::test_an_update_for_each_step_of_each_environment"),
    Bug("of two chunks the later one tells first", "loops/seeds_jax.py", "tuple(self._running.popleft())", "tuple(self._running.pop())", "test_fused_ahead.py::test_chunks_tell_in_the_order_in_which_they_began"),
    Bug("every worker goes on from the first seeds", FUSED, "        begin += size\n", "        begin = 0\n", f"{RECORDS}::test_every_seed_goes_on_from_its_own"),
    Bug("episodes of less than no steps are gone on with", FUSED, 'check_counts(state.rest, "envs.steps", "episode_length")', 'check_counts(state.rest, "envs.steps")', f"{RECORDS}::test_of_a_saved_replay_the_rows_that_are_filled_have_to_be_possible"),
    Bug("an agent of less than no updates is gone on with", FUSED, "        check_contents(state.agent)\n", "", f"{RECORDS}::test_of_a_saved_replay_the_rows_that_are_filled_have_to_be_possible"),
]  # fmt: skip
