"""Bugs in a run: its best, its records, its settings, and what a resume goes on from."""

from mutants import Bug

HOST_RUN, RECORDING, RECORD = "runs/host_run.py", "runs/recording.py", "runs/record.py"
RECORDS = "test_run_records.py"
CLOCK = f"{RECORDS}::test_a_resumed_run_goes_on_with_its_clock"
FORGOTTEN = f"{RECORDS}::test_what_came_after_the_checkpoint_is_forgotten_in_all_records"
EXITS = "test_startup.py::test_os_exit_is_an_exception_but_in_a_fork"
BUGS = [
    Bug("every evaluation overwrites the best", RECORDING, "if record.best:", 'if record.best or "eval/mean_return" in record.values:', f"{RECORDS}::test_best_is_the_agent_of_the_best_evaluation[means0-200]"),
    Bug("the best is saved once only", RECORDING, "if record.best:", "if record.best and not self.folder.best.exists():", f"{RECORDS}::test_best_is_the_agent_of_the_best_evaluation[means0-200]"),
    Bug("the best is never saved", RECORDING, "if record.best:", "if False:", f"{RECORDS}::test_best_is_the_agent_of_the_best_evaluation[means0-200]"),
    Bug("the last evaluation ignores the seed", HOST_RUN, 'integer(self.config.seed, "evaluation", self.config.total_timesteps)', 'integer(0, "evaluation", self.config.total_timesteps)', f"{RECORDS}::test_the_last_evaluation_starts_where_its_seed_and_step_say[4]"),
    Bug("the last evaluation ignores the step", HOST_RUN, 'integer(self.config.seed, "evaluation", self.config.total_timesteps)', 'integer(self.config.seed, "evaluation")', f"{RECORDS}::test_the_last_evaluation_starts_where_its_seed_and_step_say[0]"),
    Bug("seconds begin anew on resume", RECORDING, "JsonlWriter(folder.metrics, seconds)", "JsonlWriter(folder.metrics)", CLOCK),
    Bug("the bar begins at 0 on resume", RECORDING, "ProgressBar(run.config.total_timesteps, run.loop.env_steps)", "ProgressBar(run.config.total_timesteps)", CLOCK),
    Bug("TensorBoard is not restarted on resume", RECORDING, "None if is_empty else kept, others", "None, others", FORGOTTEN),
    Bug("metrics.jsonl keeps what came after the checkpoint", RECORD, "if record.env_steps <= env_steps and", "if", FORGOTTEN),
    Bug("metrics.jsonl loses the line of the checkpoint's step", RECORD, "if record.env_steps <= env_steps and", "if record.env_steps < env_steps and", FORGOTTEN),
    Bug("config.yaml stays as it was", RECORDING, "file.write(to_yaml(config))", "file.write(folder.config.read_text() if config.resume else to_yaml(config))", f"{RECORDS}::test_a_resumed_run_remembers_its_best"),
    Bug("a resume loses the replay", HOST_RUN, "self.replay.load_state_dict(replay)", "pass", FORGOTTEN),
    Bug("a resume loses the agent", HOST_RUN, "self.agent.load_state_dict(state)", "pass", FORGOTTEN),
    Bug("os._exit ends a run in silence", "system/startup.py", "    catch_exits()\n", "", "test_failing_runs.py::test_an_environment_that_ends_the_process_is_one_that_fails"),
    Bug("a fork cannot end", "system/exits.py", "if os.getpid() != this:", "if False:", EXITS),
    Bug("a thread ends a run with 0", "system/exits.py", "end_process(status or 2)", "end_process(status)", EXITS),
    Bug("a thread's os._exit is nobody's", "system/exits.py", "if threading.current_thread() is threading.main_thread():", "if True:", EXITS),
    Bug("Ctrl-C has its handler late", "system/interrupts.py", "import signal\n", "import signal\nimport threading\n", "test_startup.py::test_ctrl_c_is_one_line_from_the_first_modules_on"),
    Bug("compile is lost", "runs/host_run.py", "            compile=config.compile,\n", "", "test_run_records.py::test_a_run_is_made_of_all_its_settings"),
    Bug("matmul_precision is lost", "runs/host_run.py", "            matmul_precision=config.matmul_precision,\n", "", "test_run_records.py::test_a_run_is_made_of_all_its_settings"),
    Bug("vectorization is lost", "runs/host_run.py", "config.num_envs, config.vectorization, config", 'config.num_envs, "sync", config', "test_run_records.py::test_a_run_is_made_of_all_its_settings"),
    Bug("evaluation has other env_kwargs", "runs/host_run.py", 'make_envs(config.env, eval_count, "sync", config.env_kwargs)', 'make_envs(config.env, eval_count, "sync")', "test_run_records.py::test_a_run_is_made_of_all_its_settings"),
    Bug("a traceback stays after a run has gone on", "runs/recording.py", "for path in (folder.result, folder.error):", "for path in (folder.result,):", "test_run_records.py::test_the_settings_of_a_resumed_run_are_the_new_ones"),
    Bug("the replay of one seed is said", "runs/images.py", "config.num_seeds * replay_bytes", "replay_bytes", "test_run_records.py::test_the_replays_of_all_seeds_are_said"),
    Bug("a run may become shorter than it is", "runs/recording.py", " or total < saved.config.total_timesteps", "", "test_refused_runs.py::test_a_run_that_is_to_be_shorter_than_it_is"),
    Bug("seeds of a result begin at 0", "runs/result.py", "list(range(config.seed, config.seed + config.num_seeds))", "list(range(config.num_seeds))", "test_refused_settings.py::test_result_json_has_the_seeds_that_were_trained"),
    Bug("the environments of a training stay open", HOST_RUN, "        stack.callback(envs.close)\n", "", "test_train.py::test_a_run_closes_the_environments_that_it_trains_and_plays_in"),
    Bug("the command that goes on is not quoted", "runs/run_dir.py", "{shlex.join([*own, f'resume={run_dir}'])}", "{' '.join([*own, f'resume={run_dir}'])}", "test_refused_runs.py::test_the_command_that_goes_on_can_be_pasted"),
    Bug("a loop's state without a digest is taken", "runs/loading.py", 'self._digests.get(path.name, "none")', "self._digests.get(path.name)", "test_refused_runs.py::test_a_state_of_the_loop_that_the_agent_does_not_vouch_for"),
    Bug("59.7 seconds are 0:00", "runs/progress.py", "divmod(round(seconds) // 60, 60)", "divmod(int(seconds) // 60, 60)", "test_progress.py::test_a_time_is_rounded_to_seconds_before_it_is_written"),
    Bug("many seeds under another step are taken", "runs/loading.py", "for name in (self.folder.name, self.folder.parent.name):", "for name in (self.folder.name,):", "test_refused_runs.py::test_a_checkpoint_of_many_seeds_under_another_step"),
    Bug("another folder stands for the run's", "runs/run_dir.py", "if not self.path.is_dir() or not os.path.samestat(os.stat(self.path), self._identity):", "if not self.path.is_dir():", "test_refused_runs.py::test_a_folder_in_the_place_of_the_runs_own"),
    Bug("a result has the steps that were asked for", "runs/result.py", '"env_steps": env_steps,', '"env_steps": config.total_timesteps,', "test_refused_settings.py::test_the_steps_of_a_result_are_those_that_were_made"),
    Bug("what a full disk did not take is a success", "system/output.py", "    sys.stdout.flush()\n    return code", "    return code", "test_failing_runs.py::test_what_is_printed_onto_a_full_disk_is_an_error"),
    Bug("TensorBoard sees nothing before a checkpoint", RECORD, "if record.checkpoint or time.time() >= self._next_flush:", "if record.checkpoint:", "test_record.py::test_tensorboard_events_are_in_the_file_every_ten_seconds"),
    Bug("TensorBoard's file is written at every record", RECORD, "        self._next_flush = time.time() + FLUSH_SECONDS\n", "        self._next_flush = 0.0\n", "test_record.py::test_tensorboard_events_are_in_the_file_every_ten_seconds"),
    Bug("the time left is by the speed of the whole run", "runs/progress.py", "maxlen=1 + int(30 / self._period))", "maxlen=None)", "test_progress.py::test_the_time_left_is_by_the_speed_of_the_last_30_seconds"),
    Bug("the processes of a fused run stay", "runs/run.py", "    stack.callback(workers.close)\n", "", "test_fused_workers.py::test_the_processes_end_with_their_run"),
    Bug("what was saved goes over what is given", "runs/saved_run.py", 'saved["env_kwargs"] | values["env_kwargs"]', 'values["env_kwargs"] | saved["env_kwargs"]', "test_refused_runs.py::test_what_is_given_with_resume_goes_over_what_was_saved"),
    Bug("a resume has the defaults of what is not given", "runs/saved_run.py", "        saved |= {\"resume\": values[\"resume\"], \"run_dir\": None}\n", "        saved = {\"resume\": values[\"resume\"], \"run_dir\": None}\n", "test_refused_runs.py::test_what_is_given_with_resume_goes_over_what_was_saved"),
    Bug("two runs of one second share a folder", "runs/run_dir.py", "    return run_dir in made\n", "    return True\n", "test_refused_runs.py::test_a_second_run_of_one_second_has_a_folder_of_its_own"),
    Bug("a module is a folder with a colon", "runs/run_dir.py", '.replace(":", "-")', "", "test_refused_runs.py::test_a_thousand_runs_of_one_second"),
    Bug("an environment for each episode of an evaluation", HOST_RUN, "min(config.eval_episodes, EVAL_ENVS)", "config.eval_episodes", f"{RECORDS}::test_a_run_is_made_of_all_its_settings"),
    Bug("evaluations play with other environments at a time", HOST_RUN, "EVAL_ENVS = 10", "EVAL_ENVS = 5", f"{RECORDS}::test_a_run_is_made_of_all_its_settings"),
]  # fmt: skip
