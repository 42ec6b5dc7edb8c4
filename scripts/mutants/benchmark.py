"""Bugs in the benchmark: its jobs, its statistics, what is said of scores."""

from mutants import Bug

MEASURES, PLAN, POOL, REPORT = (f"test_benchmark_{name}.py" for name in ("measures", "plan", "pool", "report"))
M, P, R = "benchmark/measures.py", "benchmark/pool.py", "benchmark/report.py"
BUGS = [
    Bug("a tie is a whole win", M, "((x > y) + 0.5 * (x == y))", "(x >= y)", f"{MEASURES}::test_a_tie_is_half_a_win_and_pairs_are_of_one_task"),
    Bug("a profile counts what is at the threshold", M, "[..., None, :] > thresholds", "[..., None, :] >= thresholds", f"{REPORT}::test_a_suite_as_a_whole"),
    Bug("all tasks are resampled as one", "aggregate.py", "[rng.choice(scores, (resamples, len(scores))) for scores in rows]", "[rng.choice(np.concatenate(rows), (resamples, len(scores))) for scores in rows]", f"{MEASURES}::test_tasks_are_resampled_by_themselves"),
    Bug("the other of the two one-sided tests is asked", M, "yuen(upper - margin, lower)", "yuen(lower - margin, upper)", f"{MEASURES}::test_two_one_sided_tests_have_the_larger_p_of_both"),
    Bug("the margin is of 10 %", M, "MARGIN = 0.05", "MARGIN = 0.10", f"{MEASURES}::test_equality_is_claimed_wrongly_at_most_one_time_in_twenty"),
    Bug("all seeds are compared, not the middle half", M, "trim=0.25", "trim=0.0", f"{MEASURES}::test_two_one_sided_tests_have_the_larger_p_of_both"),
    Bug("three seeds that are alike prove equality", M, "min(seeds) < FEWEST_ALIKE", "min(seeds) < FEWEST", f"{MEASURES}::test_seeds_without_spread_are_no_proof_until_they_are_ten"),
    Bug("two seeds decide", M, "FEWEST = 3", "FEWEST = 2", f"{MEASURES}::test_verdicts"),
    Bug("what cannot be told is equal", M, '"different" if p_different <= LEVEL else "unknown"', '"different" if p_different <= LEVEL else "equal"', f"{MEASURES}::test_verdicts"),
    Bug("the aim is the published mean", "benchmark/suites.py", "self.published[0].mean - (self.published[0].std or 0.0)", "self.published[0].mean", f"{REPORT}::test_the_aim_is_one_published_deviation_below_the_published_mean"),
    Bug("a short run is held against a published score", R, "cell.env_steps < task.total_env_steps", "False", f"{REPORT}::test_the_aim_is_one_published_deviation_below_the_published_mean"),
    Bug("the spread is not that of a sample", R, "scores.std(ddof=1)", "scores.std()", f"{REPORT}::test_a_row_for_each_task_and_backend"),
    Bug("runs of other numbers of steps are one cell", R, 'run["backend"], run["env_steps"])', 'run["backend"], 50_000)', f"{REPORT}::test_the_aim_is_one_published_deviation_below_the_published_mean"),
    Bug("an earlier run of the same job stays", "benchmark/results.py", "for run in [*old, *runs]", "for run in [*runs, *old]", f"{REPORT}::test_a_run_takes_the_place_of_an_earlier_one_of_the_same_job"),
    Bug("a figure's titles run into its axes", "benchmark/figure.py", ', layout="constrained")', ")", f"{REPORT}::test_panels_and_titles_do_not_run_into_each_other"),
    Bug("a published score is the last of its task", "benchmark/figure.py", "task.published[0].mean, color", "task.published[-1].mean, color", f"{REPORT}::test_the_figure_shows_both_twins_and_the_published_score_and_cuts_nothing"),
    Bug("what is finished is run again", P, "deque(job for job in jobs if not job.is_finished())", "deque(jobs)", f"{POOL}::test_what_is_finished_is_not_run_again"),
    Bug("a killed job fails", P, "killed_by(code) and self._starts", "False and self._starts", f"{POOL}::test_a_job_that_is_killed_goes_on"),
    Bug("a killed job goes on once more", P, "STARTS = 3 ", "STARTS = 4 ", f"{POOL}::test_a_job_that_is_killed_each_time_fails"),
    Bug("a job that fails ends the others", P, "            self.failed.append(job)\n", "            self.failed.append(job)\n            self._waiting.clear()\n", f"{POOL}::test_a_job_that_fails_is_told_in_one_line_and_the_others_go_on"),
    Bug("a job has as many threads as it likes", "runs/processes.py", '"OMP_NUM_THREADS": str(threads), ', "", f"{POOL}::test_a_job_has_its_threads_and_its_log"),
    Bug("all jobs run at a time", P, "len(self.running) < self._places and", "", f"{POOL}::test_as_many_at_a_time_as_there_are_places"),
    Bug("a signal begins the next job", P, "self._waiting and not self.stopped_by:\n                self", "self._waiting:\n                self", f"{POOL}::test_a_signal_ends_what_runs_and_begins_nothing_more"),
    Bug("a terminal that closes kills its trainings", P, "signal.SIGTERM if self.stopped_by == signal.SIGHUP else self.stopped_by", "self.stopped_by", f"{POOL}::test_a_signal_ends_what_runs_and_begins_nothing_more"),
    Bug("a best agent alone is in the way for ever", "benchmark/plan.py", "                remove_own(best)", "                pass", f"{PLAN}::test_a_job_that_was_killed_between_its_best_agent_and_its_first_checkpoint_begins_anew"),
    Bug("a job is begun for a benchmark that is gone", "system/children.py", "if os.getppid() != int(parent):", "if False:", f"{POOL}::test_a_job_whose_benchmark_is_gone_is_not_begun"),
    Bug("trainings outlive a killed benchmark", "system/children.py", "SET_DEATH_SIGNAL = 1 ", "SET_DEATH_SIGNAL = 2 ", f"{POOL}::test_jobs_end_with_a_benchmark_that_is_killed"),
    Bug("runs of other settings are taken for the job's", "benchmark/plan.py", "        check_saved(job, config.out)\n", "        pass\n", f"{PLAN}::test_a_folder_with_runs_of_other_settings_is_refused"),
    Bug("every job has seed 0", "benchmark/plan.py", '"seed": seed,', '"seed": 0,', f"{PLAN}::test_a_job_is_a_training_in_a_folder_of_its_own"),
    Bug("the time left is of one place", "benchmark/progress.py", "max(left / places, longest)", "left", f"{PLAN}::test_the_time_left_is_by_what_is_like_the_job"),
    Bug("the time left is by all jobs alike", "benchmark/progress.py", "(lambda j: (j.config.env, j.config.backend), lambda j: j.config.algo.name, lambda j: None)", "(lambda j: None,)", f"{PLAN}::test_the_time_left_is_by_what_is_like_the_job"),
]  # fmt: skip
