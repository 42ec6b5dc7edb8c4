"""Bugs in the commands: what an argument means, a sweep, the score at the end, the curves over seeds."""

from mutants import Bug

CLI, PLOT, TRAIN, RECORD = "test_cli.py", "test_plot.py", "test_train.py", "test_record.py"
GROUPS, SCHEMA = "test_groups.py", "test_schema.py"
BUGS = [
    Bug("a text is read as a number", "cli/arguments.py", "as_text=is_text(schema, key)", "as_text=False", f"{CLI}::test_what_a_value_means"),
    Bug("the first of a key counts", "cli/arguments.py", "for key, text in pairs:\n        first", "for key, text in pairs[::-1]:\n        first", f"{CLI}::test_the_last_of_a_key_counts_and_mappings_grow"),
    Bug("a sweep begins before all of it is known to be allowed", "cli/command.py", "self._settings(job)  #", "pass  #", f"{CLI}::test_what_is_refused"),
    Bug("a tuple is no list", "settings/overrides.py", 'text.replace("(", "[")', "text", f"{CLI}::test_what_a_value_means"),
    Bug("help shows Python's values", "cli/help.py", 'f"{key}={written(value)}"', 'f"{key}={value}"', f"{CLI}::test_help_prints_what_is_taken"),
    Bug("a sweep goes on after a signal", "cli/sweep.py", "        self.stopped_by = number\n", "", f"{TRAIN}::test_a_signal_ends_a_sweep_after_the_checkpoint_of_its_job"),
    Bug("a resumed run keeps the score of its earlier end", "runs/record.py", " and not any(tag.startswith(FINAL) for tag in record.values)", "", f"{RECORD}::test_cut_repairs_what_a_kill_left"),
    Bug("a run that goes on has a result", "runs/recording.py", "for path in (folder.result, folder.error):", "for path in (folder.error,):", f"{TRAIN}::test_a_run_that_goes_on_has_no_result_until_its_end"),
    Bug("losses open before the returns", "runs/record.py", 'f"train/{tag}" if', "tag if", f"{RECORD}::test_tensorboard_reads_the_values_at_env_steps"),
    Bug("a mean is drawn, not the interquartile one", "runs/curves.py", "float(interquartile_mean(scores))", "float(scores.mean())", f"{PLOT}::test_seeds_are_put_together"),
    Bug("a fused run's mean counts as a seed", "runs/curves.py", 'points.pop("", None)', "pass", f"{PLOT}::test_seeds_of_a_fused_run_count_alone"),
    Bug("runs of other settings are put together", "runs/curves.py", "tuple(sorted(settings.items()))", "()", f"{PLOT}::test_other_settings_are_another_curve"),
    Bug("only algo is a group in config.yaml", "runs/saved_config.py", '{"algo", *groups_of(RunConfig)}', '{"algo"}', f"{GROUPS}::test_config_yaml_gives_a_group_back"),
    Bug("the last key of a group is all of it", "runs/saved_config.py", " | {name: value}", " and {name: value} or {name: value}", f"{GROUPS}::test_a_groups_keys_stand_under_its_name"),
    Bug("a stranger's group is taken as it is", "runs/formats.py", "            taken[key] = settings(path, groups[key], value, f\"{prefix}{key}.\")", "            taken[key] = groups[key](**value)", f"{GROUPS}::test_config_yaml_gives_a_group_back"),
    Bug("a group has its defaults", "config.py", "group(**values[name])", "group()", f"{GROUPS}::test_a_groups_keys_stand_under_its_name"),
    Bug("a stranger's algorithm is not drawn", "runs/saved_config.py", 'flat(values if registered(values["algo"].get("name")) is None else _config_of', "flat(_config_of", f"{PLOT}::test_a_strangers_algorithm_is_drawn_by_its_name"),
    Bug("plot imports the module that a file names", "runs/saved_config.py", 'flat(values if registered(values["algo"].get("name")) is None else', 'flat(values if find(values["algo"].get("name")) is None else', f"{PLOT}::test_a_strangers_algorithm_is_drawn_by_its_name"),
    Bug("a name with dollar signs is a formula", "plot.py", '["text.parse_math"] = False', '["text.parse_math"] = True', f"{PLOT}::test_a_strangers_algorithm_is_drawn_by_its_name"),
    Bug("the line that goes on forgets the module", "algos/registry.py", '        _addresses[found.name] = f"{module}:{found.name}"\n', "        pass\n", "test_td3.py::test_what_goes_on_names_the_module_that_the_user_named"),
    Bug("a sweep ends as its last job did", "cli/sweep.py", "return next((outcome.exit_code for outcome in outcomes if outcome.exit_code), 0)", "return outcomes[-1].exit_code or 0", "test_sweep.py::test_the_exit_code_of_a_sweep"),
    Bug("a run may end where it would begin to learn", "config.py", "if starts >= self.total_timesteps", "if starts > self.total_timesteps", "test_train_refusals.py::test_bad_input_is_one_line"),
    Bug("a job that a signal ended has an exit code below 128", "cli/sweep.py", "code if code >= 0 else 128 - code", "code if code >= 0 else 128 + code", "test_sweep.py::test_the_exit_code_of_a_job_that_a_signal_ended"),
    Bug("1e6 is no whole number where null is allowed", "settings/schema.py", "elif annotation in (int, int | None) and isinstance", "elif annotation is int and isinstance", f"{SCHEMA}::test_a_whole_number_that_may_be_null_is_read_as_one_that_may_not"),
    Bug("--help has the base's words for an algorithm's own", "settings/schema.py", "in reversed(schema.__mro__[:-1]):", "in schema.__mro__[:-1]:", f"{SCHEMA}::test_a_key_that_an_algorithm_describes_itself_has_its_words"),
    Bug("a job that a signal met at its start goes on", "cli/sweep.py", "                self.pass_on(self.stopped_by, None)\n", "                pass\n", "test_sweep.py::test_a_signal_that_comes_while_a_job_is_started_ends_it_too"),
    Bug("an algorithm of the current folder is not found", "cli/command.py", 'key in ("env", "algo") and', 'key == "env" and', "test_safe_path.py::test_a_module_of_the_current_folder_may_bring_an_algorithm_or_an_environment"),
    Bug("every command imports from the current folder", "cli/command.py", 'key in ("env", "algo") and ":" in text', 'key in ("env", "algo")', "test_safe_path.py::test_a_module_of_the_current_folder_may_bring_an_algorithm_or_an_environment"),
    Bug("a replay of one transition of each environment is too small", "config.py", "if size < self.num_envs:", "if size <= self.num_envs:", "test_config.py::test_values_that_are_just_allowed"),
    Bug("compiled environments are no more than those of the host", "config.py", 'MOST_ENVS if self.mode == "host" else 2**31 - 1', "MOST_ENVS", "test_config.py::test_values_that_are_just_allowed"),
    Bug("a second Ctrl-C is as the first", "system/interrupts.py", "    signal.signal(number, leave)\n    raise", "    raise", "test_interrupts.py::test_ctrl_c_closes_what_is_open_and_the_next_one_ends_at_once"),
    Bug("Ctrl-C closes what is not open any more", "system/interrupts.py", "        if previous is leave:\n            signal.signal(signal.SIGINT, leave)", "        pass", "test_interrupts.py::test_ctrl_c_closes_what_is_open_and_the_next_one_ends_at_once"),
    Bug("a run that is stopped cannot be ended", "system/interrupts.py", "            signal.signal(other, interrupt if handler is leave else handler)  #", "            pass  #", "test_interrupts.py::test_the_first_signal_stops_a_run_and_the_second_one_is_as_before_it"),
]  # fmt: skip
