"""Bugs in what is compared and shown: turns, verdicts, arithmetic, evaluation, curves, statistics."""

from mutants import Bug

COMPARE, TURNS, PLOT, EVALUATE, PARITY = (
    "test_compare.py",
    "test_compare_turns.py",
    "test_plot.py",
    "test_evaluate.py",
    "test_parity_command.py",
)
RESULT, VERDICTS = "compare/result.py", "compare/verdicts.py"
BUGS = [
    Bug("a rate is the mean of its turns", RESULT, "statistics.median(self.values(key))", "statistics.mean(self.values(key))", f"{COMPARE}::test_a_sentence_says_what_won_by_how_much_and_what_limits_it"),
    Bug("ranges that touch at one end only overlap", RESULT, "min(ours) <= max(theirs) and min(theirs) <= max(ours)", "min(ours) <= max(theirs)", f"{COMPARE}::test_ranges_overlap_where_neither_is_above_the_other"),
    Bug("a variant that learned nothing is sound", RESULT, "or self.greedy_return >= CHECKS[self.variant.env].least", "or True", f"{COMPARE}::test_a_loop_that_does_not_learn_is_not_sound"),
    Bug("the peak is each process's own", RESULT, "for r in alike)", "for r in [result])", f"{COMPARE}::test_the_peak_is_the_fastest_product_on_as_many_cores"),
    Bug("the peak is of any number of cores", RESULT, "(r.cores, r.variant.device) == (result.cores, result.variant.device)", "r.variant.device == result.variant.device", f"{COMPARE}::test_the_peak_is_the_fastest_product_on_as_many_cores"),
    Bug("the slowest is the fastest", VERDICTS, "key=lambda r: r.rate, reverse=True", "key=lambda r: r.rate", f"{COMPARE}::test_a_sentence_says_what_won_by_how_much_and_what_limits_it"),
    Bug("many seeds win over one", VERDICTS, "sorted(single or group", "sorted(group", f"{COMPARE}::test_a_sentence_says_what_won_by_how_much_and_what_limits_it"),
    Bug("who cannot be told apart is not said", VERDICTS, "    if not near:\n", "    if True:\n", f"{COMPARE}::test_what_overlaps_cannot_be_told_apart"),
    Bug("a ratio's range is of all turns, not within one", RESULT, "[a / b for a, b in zip(result.values(RATE), other.values(RATE), strict=True)]", "[a / b for a in result.values(RATE) for b in other.values(RATE)]", f"{COMPARE}::test_a_sentence_says_what_won_by_how_much_and_what_limits_it"),
    Bug("parts of many environments count whole", VERDICTS, '"env_us": envs, ', '"env_us": 1, ', f"{COMPARE}::test_parts_are_of_one_environments_step"),
    Bug("a sample every four steps counts at each", VERDICTS, "envs * every", "envs", f"{COMPARE}::test_limits_are_shares_of_an_env_step"),
    Bug("an update every four steps counts at each", VERDICTS, 'result.median("update_us") / every', 'result.median("update_us")', f"{COMPARE}::test_limits_are_shares_of_an_env_step"),
    Bug("a transfer is of a vector step", VERDICTS, '"transfer_us": every', '"transfer_us": envs', f"{COMPARE}::test_limits_are_shares_of_an_env_step"),
    Bug("images have the work of vectors", "compare/variant.py", "(None if encoder == \"none\" else algorithm.image_benchmark) or", "", f"{COMPARE}::test_images_have_the_published_work_of_atari"),
    Bug("a fused round is one step", "compare/variant.py", "int(self.variant.num_envs * self.variant.config.train_freq)", "int(self.variant.num_envs)", f"{COMPARE}::test_a_round_of_the_fused_loop_is_train_freq_steps_of_every_environment"),
    Bug("a fused update of every step", "compare/variant.py", "updates = rate / self.variant.config.train_freq\n        flop = update_flop(self.variant.config, self.workers", "updates = rate\n        flop = update_flop(self.variant.config, self.workers", f"{COMPARE}::test_a_round_of_the_fused_loop_is_train_freq_steps_of_every_environment"),
    Bug("images are compared flattened", "compare/grid.py", 'names_of(benchmark.encoder, envs.spec) if "auto" in benchmark.encoders else "none"', '"none"', f"{COMPARE}::test_encoders_are_those_of_the_environments"),
    Bug("only the shape of an environment counts", "envs/spec.py", 'if field != "parts" or trained.parts]', 'if field not in ("parts", "frame_stack") or (field == "parts" and trained.parts)]', "test_images.py::test_stacks_of_another_length_than_the_checkpoints_are_refused"),
    Bug("an unsteady variant is not measured again", "compare/turns.py", "turn < 2 * self.repeats and self._unsteady()", "False", f"{TURNS}::test_what_is_unsteady_is_measured_again_until_the_last_turns_are_near_each_other"),
    Bug("a variant of one thread gets all cores", "compare/turns.py", "            share = all_cores if variant.mode", "            share = all_cores if True or variant.mode", TURNS),
    Bug("the deadline's part is the whole", "compare/turns.py", "self.left() / parts", "self.left()", f"{TURNS}::test_the_quick_preset_keeps_its_promise_on_any_day"),
    Bug("the first turns count, not the last", "compare/turns.py", "result.repeats.pop(0)", "result.repeats.pop()", f"{TURNS}::test_what_is_unsteady_is_measured_again_until_the_last_turns_are_near_each_other"),
    Bug("FLOP: a critic's update is its forward pass", "nets/arch.py", "3 * self.forward_flop - 2 * sum(layer.multiply_adds for layer in self.layers[0].first)", "self.forward_flop", f"{COMPARE}::test_flop_of_an_update"),
    Bug("FLOP: double DQN costs nothing", "algos/dqn.py", "(2 if config.double_q else 1)", "1", f"{COMPARE}::test_flop_of_an_update"),
    Bug("FLOP: one critic", "algos/sac.py", "3 * critic.forward_flop for critic in critics)", "3 * critic.forward_flop for critic in critics[:1])", f"{COMPARE}::test_flop_of_an_update"),
    Bug("the learning check keeps the last evaluation", "compare/checks.py", "best = max(best, evaluate())", "best = evaluate()", f"{TURNS}::test_a_check_ends_with_the_first_evaluation_that_passes"),
    Bug("the learning check goes on after it has passed", "compare/checks.py", "if best >= check.least:", "if False:", f"{TURNS}::test_a_check_ends_with_the_first_evaluation_that_passes"),
    Bug("every evaluation plays the same episodes", "evaluate.py", "settings.episodes, settings.seed)", "settings.episodes, 0)", f"{EVALUATE}::test_the_seed_decides_the_episodes"),
    Bug("evaluate ignores the checkpoint that is asked for", "evaluate.py", "checkpoint_of(run_dir, settings.checkpoint)", 'checkpoint_of(run_dir, "last")', f"{EVALUATE}::test_plays_any_checkpoint_in_the_other_backend"),
    Bug("evaluate ignores the backend that is asked for", "evaluate.py", "backend = settings.backend or config.backend", "backend = config.backend", f"{EVALUATE}::test_plays_any_checkpoint_in_the_other_backend"),
    Bug("an interval of 80 %", "aggregate.py", "(2.5, 97.5)", "(10, 90)", f"{EVALUATE}::test_bootstrap_interval"),
    Bug("the interquartile mean cuts an eighth", "aggregate.py", "scores.shape[-1] // 4", "scores.shape[-1] // 8", f"{PLOT}::test_seeds_are_put_together"),
    Bug("curves over seconds are over steps", "plot.py", "read_lines(run, config.tag, AXES[config.x])", 'read_lines(run, config.tag, "env_steps")', f"{PLOT}::test_any_tag_over_seconds"),
    Bug("a seed's curve goes on after its end", "runs/curves.py", "left=np.nan, right=np.nan", "left=np.nan", f"{PLOT}::test_seeds_of_other_points_and_lengths"),
    Bug("parity compares a twin with itself", "parity.py", "agent_of(case, backend, dtype, device)\n", 'agent_of(case, "jax", dtype, device)\n', f"{PARITY}::test_fails_where_the_twins_differ"),
]  # fmt: skip
