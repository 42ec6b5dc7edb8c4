"""Bugs in the search for settings: what is drawn, which trials count, what a second call makes of them."""

from mutants import Bug

SPACE, SEARCH, SEEDS = "test_tune_space.py", "test_tune_search.py", "test_tune_trials.py"
S, P, T, W = "tune/space.py", "tune/search.py", "tune/plan.py", "tune/study.py"
BUGS = [
    Bug("a log interval is drawn evenly", S, 'return FloatDistribution(low, high, log="log" in tags)', "return FloatDistribution(low, high)", f"{SPACE}::test_several_values"),
    Bug("a range has its end too", S, "kind(values[0], values[-1], step=sweep.step)", "kind(values[0], sweep.stop, step=sweep.step)", f"{SPACE}::test_several_values"),
    Bug("what is fixed is searched as well", S, "find(algo).search.items() if key not in keys}", "find(algo).search.items()}", f"{SPACE}::test_without_any_the_algorithm_says_what_is_searched_but_what_is_fixed"),
    Bug("only the first corner is looked at", S, "for i in range(longest)]", "for i in range(1)]", f"{SPACE}::test_corners_have_each_choice_and_both_ends"),
    Bug("a preset beyond the space is its first point", S, "bool(its.low <= value <= its.high)", "True", f"{SPACE}::test_settings_are_a_point_of_the_space_or_say_what_it_leaves_out"),
    Bug("nothing says that the preset is not tried", W, "        if keys := outside(plan.space, point):\n", "        if (keys := outside(plan.space, point)) and False:\n", f"{SEARCH}::test_the_first_trial_is_the_preset"),
    Bug("many digits are written", S, '{value:.4g}', '{value}', f"{SPACE}::test_drawn_values_as_they_are_written"),
    Bug("a trial's score is its last seed's", P, "sum(scores) / len(scores)", "scores[-1]", f"{SEARCH}::test_a_trial_is_its_seeds_one_after_the_other_and_its_score_their_mean"),
    Bug("no trial is given up", P, "if running.trial.should_prune():", "if False:", f"{SEARCH}::test_a_trial_that_is_behind_is_given_up"),
    Bug("every seed's evaluations are told as the first's", P, "running.trial.report(returns[i], seed * EVALUATIONS + i)", "running.trial.report(returns[i], i)", f"{SEARCH}::test_a_trial_is_its_seeds_one_after_the_other_and_its_score_their_mean"),
    Bug("the preset counts for nothing", W, "            study.enqueue_trial(point)\n", "            pass\n", f"{SEARCH}::test_the_first_trial_is_the_preset"),
    Bug("one that fails does not count", P, "if trial.state in ENDED or CAUSE in trial.user_attrs]", "if trial.state in ENDED]", f"{SEARCH}::test_a_trial_that_fails_says_why_and_the_others_go_on"),
    Bug("what a signal stopped is lost", P, "        self.study.enqueue_trial(trial.params)\n", "", f"{SEARCH}::test_a_signal_ends_what_runs_and_the_next_call_tries_it_again"),
    Bug("what a kill left is never tried again", P, "            self._again(trial)\n\n", "            pass\n\n", f"{SEARCH}::test_what_a_kill_left_running_is_tried_again"),
    Bug("agents of trials stay", P, "            remove_checkpoints(self.plan.run_dir(trial.number, seed))\n", "            pass\n", f"{SEARCH}::test_a_trial_is_its_seeds_one_after_the_other_and_its_score_their_mean"),
    Bug("two searches in one folder", W, "elif study.user_attrs[SEARCH] != searched(plan):", "elif False:", f"{SEARCH}::test_a_folder_with_another_search_is_refused"),
    Bug("another number of seeds is the same search", W, ', "seeds": plan.config.seeds}', "}", f"{SEARCH}::test_a_folder_with_another_search_is_refused"),
    Bug("settings are chosen by the seeds that are reported", T, "FIRST_SEED = 1_000", "FIRST_SEED = 0", f"{SEARCH}::test_a_trial_is_its_seeds_one_after_the_other_and_its_score_their_mean"),
    Bug("what was searched fused is trained on the host", "tune/__main__.py", '{"mode": "fused"} if plan.base.mode == "fused" else {}', "{}", f"{SEARCH}::test_the_command_that_is_printed_trains_as_the_trials_did"),
    Bug("two processes in one folder", "disk/out.py", "        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n", "        pass\n", f"{SEARCH}::test_a_folder_that_another_process_searches_in_is_refused"),
    Bug("the worst trial is the best", W, "key=lambda trial: (trial.value, -trial.number)", "key=lambda trial: (-trial.value, -trial.number)", f"{SEARCH}::test_the_best_is_the_highest_and_of_equal_ones_the_first"),
    Bug("what was fixed is no part of the preset", W, "for key, text in plan.fixed if key not in known}", "for key, text in ()}", f"{SEARCH}::test_what_is_written_in_the_end"),
    Bug("seeds are trained one after the other", T, 'and family_of(first.env).functional:', "and False:", f"{SEARCH}::test_seeds_are_trained_at_once_where_the_environment_is_functional"),
    Bug("seeds are tune's and the user's", T, "    for key in OWN:\n", "    for key in ():\n", f"{SEARCH}::test_what_a_training_would_not_take_is_refused_before_any_begins"),
    Bug("a later call draws what the first one drew", W, "optuna.samplers.TPESampler(seed=len(study.trials))", "optuna.samplers.TPESampler(seed=0)", f"{SEARCH}::test_a_later_call_draws_what_the_first_did_not"),
    Bug("a journal is opened through a link", W, "            files.open_to_read(out / JOURNAL).close()", "            pass", f"{SEARCH}::test_a_journal_is_not_opened_through_a_link"),
    Bug("environments are searched", S, 'if "env" in searched:', "if False:", f"{SPACE}::test_what_cannot_be_searched"),
    Bug("a seed of few evaluations shifts those of the next", P, "self._start(trial, len(running.scores)), 0", "self._start(trial, len(running.scores)), EVALUATIONS - running.told", f"{SEEDS}::test_the_evaluations_of_a_seed_are_its_own_however_many_there_are"),
    Bug("evaluations beyond the tenth are the next seed's", P, "seed))[:EVALUATIONS]", "seed))", f"{SEEDS}::test_the_evaluations_of_a_seed_are_its_own_however_many_there_are"),
    Bug("a trial has one thread", P, "plan.log(trial.number, seed), plan.config.threads)", "plan.log(trial.number, seed), 1)", f"{SEEDS}::test_a_trial_has_the_threads_that_are_asked_for"),
    Bug("the log of the first seed says why another failed", P, "self.plan.log(trial.number, len(running.scores)), code)", "self.plan.log(trial.number, 0), code)", f"{SEEDS}::test_the_seed_that_fails_says_why_and_not_the_first_one"),
    Bug("what was killed says its last words", P, "if code < 0 else cause", "if code < -99 else cause", f"{SEEDS}::test_the_seed_that_fails_says_why_and_not_the_first_one"),
    Bug("a training that a signal met at its start goes on", P, "        if self.stopped_by:\n            running.process.kill()\n", "        if self.stopped_by:\n", f"{SEEDS}::test_a_signal_that_comes_while_a_training_is_started_ends_it_too"),
    Bug("trials that run are too many", P, "len(self.ended) + len(self._running) < self.plan", "len(self.ended) < self.plan", f"{SEARCH}::test_no_more_trials_begin_than_are_asked_for"),
    Bug("as many trials at a time as there are cores", "tune/__main__.py", "config.jobs, config.threads)", "None, config.threads)", "test_tune_command.py::test_without_a_score_the_exit_code_is_1"),
]  # fmt: skip
