"""Bugs in what is read from a run's folder, and in how it is written: schemas, links, sizes, trust, order of writes."""

from mutants import Bug

CHECKPOINT, LINKS, TRUST, ATOMIC = "test_checkpoint.py", "test_links.py", "test_trust.py", "test_atomic.py"
REFUSALS, TENSORS, FORMATS, DOCUMENTS = "test_refusals.py", "disk/tensors.py", "runs/formats.py", "disk/documents.py"
YAML, JSON, RUN_JSON = "test_documents.py::test_yaml", "test_documents.py::test_json", f"{REFUSALS}::test_run_json"
CONTENTS, TRANSITIONS = "test_tensors.py::test_contents_of_an_agent", "test_tensors.py::test_transitions"
ACTIONS, RESULT = f"{REFUSALS}::test_actions_of_an_episode", "test_refused_settings.py::test_result_json"
SETTINGS = "test_refused_settings.py"
KEPT = f"{SETTINGS}::test_settings_that_could_not_be_read_again_are_not_written"
TORCH = f"{REFUSALS}::test_a_generator_of_torch"
SYNCED = "test_files.py::test_a_checkpoint_is_on_the_disk_before_it_has_its_name"
BUGS = [
    # Documents
    Bug("YAML's aliases are followed", DOCUMENTS, "isinstance(event, yaml.AliasEvent) or event.anchor is not None or ", "", YAML),
    Bug("YAML's tags are taken", DOCUMENTS, " or event.tag is not None", "", YAML),
    Bug("YAML of any depth", DOCUMENTS, "if self.depth > DEEPEST:", "if False:", YAML),
    Bug("the last of two equal keys counts", DOCUMENTS, "if key in values:", "if False:", YAML),
    Bug("NaN is a number of JSON", DOCUMENTS, ", parse_constant=_refuse", "", JSON),
    Bug("JSON of any number of values", DOCUMENTS, "> most:", "> 10**12:", JSON),
    Bug("a stranger's key is shown whole", "errors.py", "return text if len(text) <= LONGEST_SHOWN else", "return text if True else", YAML),
    # Schemas
    Bug("a generator's even increment", FORMATS, "if number % 2 == 0:", "if False:", RUN_JSON),
    Bug("half an episode", FORMATS, "ended[0].is_integer() and ", "", RUN_JSON),
    Bug("unknown keys are ignored", "runs/strict.py", 'strict=True, extra="forbid"', 'strict=True, extra="ignore"', RUN_JSON),
    Bug("texts are read as numbers", "runs/strict.py", 'ConfigDict(strict=True, extra="forbid"', 'ConfigDict(extra="forbid"', RUN_JSON),
    Bug("bounds the wrong way round", FORMATS, "if not all(a < b for a, b", "if not all(True for a, b", f"{REFUSALS}::test_spec"),
    Bug("a result's number of any size", FORMATS, "if abs(number) > LARGEST:", "if False:", RESULT),
    Bug("result.json is taken as it is", "runs/result.py", "checked(path, formats.Result, read_json(path, most=formats.RESULT_VALUES))", "read_json(path, most=formats.RESULT_VALUES)", RESULT),
    Bug("an algorithm's name that is a list", "algos/registry.py", "_algorithms.get(name) if isinstance(name, str) else None", "_algorithms.get(name)", f"{SETTINGS}::test_config_yaml"),
    Bug("settings too long to be read again are written", "runs/saved_config.py", "if len(content) > most:", "if False:", KEPT),
    Bug("a resume reads agent.json twice", "runs/saved_run.py", "if folder not in self._checkpoints:", "if True:", f"{SETTINGS}::test_a_resume_reads_what_it_goes_by_once"),
    # Arrays
    Bug("moments below zero", TENSORS, "(value < 0).any():\n            raise CheckpointError(f\"{name} holds a number below 0", "False:\n            raise CheckpointError(f\"{name} holds a number below 0", CONTENTS),
    Bug("a count beyond the updates", TENSORS, "not 0 <= value <= updates", "not 0 <= value", CONTENTS),
    Bug("any number of updates", TENSORS, "if not 0 <= updates <= MOST_UPDATES:", "if False:", CONTENTS),
    Bug("NaN is not seen in one tensor of many", TENSORS, 'if x.dtype.kind == "f" and', 'if x.dtype == np.float64 and', f"{CHECKPOINT}::test_numbers_that_are_not_finite_are_not_saved"),
    Bug("stored actions below the first", TENSORS, "outside = (action < low) | (action > high)", "outside = action > high", TRANSITIONS),
    Bug("terminated by half", TENSORS, "np.isin(terminated, (0, 1)).all()", "((terminated >= 0) & (terminated <= 1)).all()", TRANSITIONS),
    Bug("dtypes are not compared", TENSORS, "if found[name].dtype != mine.dtype:", "if False:", "test_tensors.py::test_names_shapes_and_dtypes"),
    Bug("a header of any size", TENSORS, "if size > HEADER_BYTES:", "if False:", "test_hostile_checkpoints.py::test_hostile_tensors_whose_digest_is_right"),
    Bug("the digest is not compared", TENSORS, "if files.sha256(path) != digest:", "if False:", "test_hostile_checkpoints.py::test_every_flipped_bit_of_the_tensors_is_found"),
    Bug("torch's words beyond the last", "agents/agent_torch.py", "1 <= left <= 624 and left + following == 625", "1 <= left <= 624", TORCH),
    Bug("torch keeps back a NaN", "agents/agent_torch.py", "np.isfinite(state[5016:5040].view(np.float64)).all() and ", "", TORCH),
    Bug("an episode's NaN action", "envs/tape.py", "inside = (actions >= space.low) & (actions <= space.high)", "inside = ~((actions < space.low) | (actions > space.high))", ACTIONS),
    Bug("an episode's action beyond the last", "envs/tape.py", "actions < space.start + space.n", "actions <= space.start + space.n", ACTIONS),
    # Files
    Bug("links are followed", "disk/files.py", "    if stat.S_ISLNK(mode):\n        raise OSError(errno.ELOOP, NOT_FOLLOWED)\n", "", f"{LINKS}::test_a_file_that_is_a_link_is_refused[.lock]", (("disk/files.py", "_check_regular(os.lstat(path).st_mode)", "_check_regular(os.stat(path).st_mode)"), ("disk/files.py", 'getattr(os, "O_NOFOLLOW", 0) | ', ""))),
    Bug("a folder behind a link", "disk/files.py", "    if path.is_symlink():\n        raise OSError(errno.ELOOP, NOT_FOLLOWED, str(path))\n", "", f"{LINKS}::test_a_folder_that_is_a_link_is_refused[train-checkpoints]"),
    Bug("a new file over an old one", "disk/files.py", "os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL", "os.O_WRONLY | os.O_APPEND | os.O_CREAT", f"{LINKS}::test_a_new_file_never_stands_in_an_old_ones_place"),
    Bug("a file of any size", "disk/files.py", "> limit:", "> 2**62:", f"{SETTINGS}::test_config_yaml"),
    Bug("leftovers of any name are deleted", "disk/atomic.py", "elif OWN.fullmatch(entry.name):", "else:", f"{LINKS}::test_only_what_a_save_leaves_is_deleted"),
    Bug("the only whole folder is deleted", "disk/atomic.py", " and parent / name not in kept", "", f"{ATOMIC}::test_leftovers_are_removed_but_the_only_whole_folder_stays"),
    Bug("what made room is not found", "disk/atomic.py", "or not files.is_folder(old) else old", "or True else old", f"{ATOMIC}::test_a_folder_that_makes_room_is_still_found"),
    # Checkpoints
    Bug("the last checkpoint by name, not by step", "disk/checkpoint.py", "return [steps[n] for n in sorted(steps) if", "return [steps[n] for n in sorted(steps, key=str) if", f"{CHECKPOINT}::test_a_run_dir_means_its_last_checkpoint"),
    Bug("an empty step is a checkpoint", "disk/checkpoint.py", "if files.is_folder(steps[n]) and _holds_agents(steps[n])]", "if files.is_folder(steps[n])]", f"{CHECKPOINT}::test_a_run_dir_means_its_last_checkpoint"),
    Bug("a folder of something else is replaced", "disk/checkpoint.py", "    if not is_free:", "    if False:", f"{CHECKPOINT}::test_only_a_checkpoint_is_ever_replaced"),
    Bug("all old replays are kept", "disk/checkpoint.py", "files.remove_file(agent / REPLAY)", "pass", f"{CHECKPOINT}::test_only_the_newest_checkpoint_keeps_its_replay"),
    # Trust
    Bug("a module's name is no reason to ask", "settings/trust.py", 'if ":" in env and "env" not in given', "if False", f"{TRUST}::test_a_module_that_the_configuration_names_is_not_imported"),
    Bug("texts within lists are trusted", "settings/trust.py", 'return any(is_powerful("", x) for x in value)', "return False", f"{TRUST}::test_what_an_environment_may_not_be_given_by_a_stranger"),
    Bug("a path is a word", "settings/trust.py", '[A-Za-z0-9_+-]*( [A-Za-z0-9_+-]+)*', '[A-Za-z0-9_./+-]*( [A-Za-z0-9_+-]+)*', f"{TRUST}::test_what_an_environment_may_not_be_given_by_a_stranger"),
    Bug("old replays of many seeds stay", "disk/checkpoint.py", "for agent in seeds_of(folder) or [folder]:", "for agent in [folder]:", "test_atomic.py::test_old_replays_of_many_seeds_are_dropped"),
    Bug("what others put beside a checkpoint goes with it", "disk/checkpoint.py", "set(files.names(path)) <= {AGENT, TENSORS, RUN, REPLAY}", "(not files.names(path) or bool({AGENT, TENSORS, RUN, REPLAY} & set(files.names(path))))", "test_checkpoint.py::test_only_a_checkpoint_is_ever_replaced"),
    # What a power cut leaves, and what others do meanwhile
    Bug("tensors have a name before they are on the disk", TENSORS, "    files.sync(path)\n", "", SYNCED),
    Bug("JSON has a name before it is on the disk", "disk/files.py", "        file.write(data)\n        file.flush()\n        os.fsync(file.fileno())\n\n\ndef write(", "        file.write(data)\n\n\ndef write(", SYNCED),
    Bug("a checkpoint has its name before it is on the disk", "disk/atomic.py", "        files.sync(temp)\n", "", SYNCED),
    Bug("the old checkpoint goes before the new name is on the disk", "disk/atomic.py", "    files.sync(path.parent)\n", "", SYNCED),
    Bug("a file has its name before it is on the disk", "disk/files.py", "                yield file\n                file.flush()\n                os.fsync(file.fileno())\n", "                yield file\n", "test_files.py::test_a_file_is_on_the_disk_before_it_has_its_name"),
    Bug("what the system did not take is lost", "disk/files.py", "            while view:\n                view = view[os.write(self._descriptor, view) :]", "            os.write(self._descriptor, view)", "test_files.py::test_what_the_system_takes_in_parts_is_written_whole"),
    Bug("a folder that another process has just made is an error", "disk/files.py", "                with suppress(FileExistsError):  # another process was faster\n", "                with suppress(FileNotFoundError):\n", "test_files.py::test_a_folder_that_another_process_makes_meanwhile_is_taken"),
    Bug("a file that is not written to its end leaves litter", "disk/files.py", "            discard(temp)\n            raise\n", "            raise\n", "test_files.py::test_a_file_that_is_not_written_to_its_end_leaves_the_old_one_and_no_litter"),
    Bug("a command holds its folder for good", "disk/out.py", "    stack.callback(os.close, lock)\n", "", "test_files.py::test_a_folder_is_held_until_its_command_is_through"),
    Bug("two commands write into one folder", "disk/out.py", "        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n", "        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)\n", "test_files.py::test_a_folder_is_held_until_its_command_is_through"),
    Bug("a file without a digest is read", "disk/tensors.py", "if files.sha256(path) != digest:", "if digest is not None and files.sha256(path) != digest:", "test_hostile_checkpoints.py::test_a_file_without_a_digest_is_not_read"),
]  # fmt: skip
