"""Bugs between a learner and Gymnasium: what fails, what is refused, spaces, ids; and what a later run goes on with."""

from mutants import Bug

HOST, SPEC, FAILURES, NORMALIZE = "envs/host.py", "envs/spec.py", "envs/failures.py", "envs/normalize.py"
FAILING, SPECS, HOSTS = "test_failures.py", "test_env_spec.py", "test_host_envs.py"
OBS, STEP = f"{FAILING}::test_check_obs", f"{FAILING}::test_a_step_that_fails"
REFUSED = f"{SPECS}::test_what_cannot_be_learned_is_refused_in_one_line"
TRAINING, MEMORY, FAMILY = "test_training.py", "test_memory.py", "test_families.py"
FRAMES, ATARI, VECTORS, ROWS = "test_frame_stack.py", "test_atari.py", "test_vectors.py", "test_rows.py"
BUGS = [
    # What an environment returns
    Bug("an observation's dtype is not looked at", FAILURES, 'if not np.can_cast(array.dtype, space.dtype or array.dtype, "same_kind"):', "if False:", OBS),
    Bug("an observation's shape is not looked at", FAILURES, "if array.shape != space.shape:", "if False:", OBS),
    Bug("a number beyond its Discrete space", FAILURES, "if not ((array >= space.start) & (array < space.start + count)).all():", "if False:", OBS),
    Bug("a Dict that lacks a key", FAILURES, "isinstance(obs, Mapping) and obs.keys() >= space.spaces.keys()", "isinstance(obs, Mapping)", OBS),
    Bug("a reward that is an array", FAILURES, "if shape := tuple(getattr(value, \"shape\", ())):", "if shape := ():", STEP),
    Bug("numbers that no one-hot vector has pass", FAILURES, "space.shape if isinstance(space, spaces.Box) else None", "space.shape", "test_failures.py::test_a_step_whose_index_is_none_of_the_space"),
    Bug("sys.exit in a step ends the run", FAILURES, "check_number(name, value)\n        except BaseException as error:", "check_number(name, value)\n        except Exception as error:", STEP),
    Bug("a reset that fails is a step that fails", FAILURES, 'failure_of(error, "reset")', "failure_of(error)", f"{FAILING}::test_a_reset_that_fails"),
    Bug("a close that fails is silent", FAILURES, "warnings.warn(what, RLPairWarning, stacklevel=2)", "pass", f"{FAILING}::test_a_close_that_fails_is_a_warning"),
    Bug("an infinite reward is stored", HOST, '_check_finite("reward", reward)', "pass", f"{HOSTS}::test_what_is_not_a_number_stops_the_step"),
    Bug("a NaN observation is stored", HOST, '_check_finite("observation", own)', "pass", f"{HOSTS}::test_what_is_not_a_number_stops_the_step"),
    Bug("the last observation may be NaN", HOST, '_check_finite("observation", next_obs)', "pass", f"{HOSTS}::test_the_last_observation_of_an_episode_is_a_number_too"),
    Bug("huge numbers are infinite", HOST, "    if rows.size:\n        value", "    if True:\n        value", f"{HOSTS}::test_huge_numbers_are_numbers"),
    # Spaces
    Bug("bounds are rounded outwards", SPEC, "_round_inwards(low, -1), _round_inwards(high, 1)", "_round_inwards(low, 1), _round_inwards(high, -1)", f"{SPECS}::test_bounds_of_float64_are_rounded_to_float32_inwards"),
    Bug("unbounded actions", SPEC, "    if not bounded:", "    if False:", REFUSED),
    Bug("actions of whole numbers in a Box", SPEC, "if space.dtype.kind != \"f\":", "if False:", REFUSED),
    Bug("pixels are scaled twice", SPEC, "if pixels.any() and not pixels.all() else None", "if pixels.any() else None", f"{SPECS}::test_pixels_are_scaled_once"),
    Bug("Discrete actions begin at 0", SPEC, '"action_start": int(space.start)', '"action_start": 0', f"{SPECS}::test_env_spec"),
    # Ids, wrappers, rows
    Bug("a package in the current folder is installed", "envs/registry.py", "return found is not None and installed is not None and found.origin == installed.origin", "return found is not None", "test_registry.py"),
    Bug("entry points are not called", "envs/registry.py", "                    entry.load()()\n", "", "test_registry.py"),
    Bug("running rewards are let pass", NORMALIZE, "    wrappers.NormalizeReward,\n", "", "test_normalize.py::test_running_statistics_are_refused"),
    Bug("frozen statistics are refused", NORMALIZE, " and getattr(env, FLAG)", "", "test_normalize.py::test_frozen_statistics_are_fixed_numbers"),
    Bug("one object in several rows", HOST, "if len(set(map(id, self.objects))) < len(self.objects):", "if False:", f"{TRAINING}::test_one_environment_is_not_several"),
    Bug("another number of environments", HOST, "if (saved := len(state[\"episodes\"])) != self.num_envs:", "if (saved := self.num_envs) != self.num_envs:", "test_tape.py::test_another_number_of_environments_is_refused"),
    # Families
    Bug("a run trains as evaluation has it", "runs/host_run.py", ", training=True)", ")", f"{FAMILY}::test_training_evaluation_and_film_by_command"),
    Bug("importers train as evaluation has it", "loops/training.py", "as_envs(env, training=True)", "as_envs(env)", f"{FAMILY}::test_training_and_evaluation_for_importers"),
    Bug("a film of what training sees", "evaluate.py", "maker(env_id, env_kwargs, training=False)", "maker(env_id, env_kwargs, training=True)", f"{FAMILY}::test_training_evaluation_and_film_by_command"),
    Bug("compare trains as evaluation has it", "compare/variant.py", ", training=True)", ")", f"{FAMILY}::test_compare_trains_and_checks_on_the_same"),
    Bug("an evaluation in other spaces", "loops/training.py", 'check_fit(agent, eval_envs, "eval_env")', "pass", f"{FAMILY}::test_an_evaluation_in_other_spaces_is_refused"),
    Bug("a training in other spaces", "runs/host_run.py", "        check_fit(self.agent, envs)\n", "", f"{FAMILY}::test_a_run_refuses_a_family_whose_training_has_other_spaces"),
    Bug("wrappers take all arguments", "envs/families.py", "for key, value in env_kwargs.items() if key in names", "for key, value in env_kwargs.items()", f"{FAMILY}::test_what_wrap_does_not_take_is_for_gymnasium"),
    Bug("a family's arguments go over one's own", "envs/make.py", "{**family.env_kwargs, **own, **more}", "{**own, **family.env_kwargs, **more}", f"{FAMILY}::test_arguments_of_a_family_give_way_to_ones_own"),
    Bug("the earliest family is taken", "envs/families.py", "[family, *(other for other in _families if other.ids != family.ids)]", "[*(other for other in _families if other.ids != family.ids), family]", f"{FAMILY}::test_a_family_goes_before_earlier_ones_and_replaces_its_own"),
    Bug("a part of an id is enough", "envs/families.py", "re.fullmatch(family.ids, name)", "re.match(family.ids, name)", f"{FAMILY}::test_any_other_id_is_gymnasiums"),
    Bug("compare runs what a family has not", "compare/grid.py", "or not can:", "and not can:", "test_compare.py::test_an_environment_has_the_variants_that_its_family_has"),
    # Frames, Atari
    Bug("the newest frame is first", "envs/frames.py", "for image in observation]", "for image in observation[::-1]]", f"{FRAMES}::test_the_newest_frame_is_last_and_the_first_fills_the_stack"),
    Bug("colours of frames are mixed", "envs/frames.py", "return np.concatenate([as_channels(image) for image in observation], axis=-1)", "return np.stack([as_channels(image) for image in observation], -1).reshape(self.observation_space.shape)", f"{FRAMES}::test_colours_of_a_frame_stay_together"),
    Bug("no spec says that frames are stacked", SPEC, "isinstance(obs_space, FrameStack) else 1", "isinstance(obs_space, FrameStack) and False else 1", f"{FRAMES}::test_the_spec_of_a_stack"),
    Bug("rewards are clipped in evaluation", "envs/atari.py", "ClipReward(seen, -1, 1) if training else seen", "ClipReward(seen, -1, 1)", f"{ATARI}::test_rewards_are_clipped_in_training_alone"),
    Bug("evaluation ends with a life", "envs/atari.py", "training and terminal_on_life_loss", "terminal_on_life_loss", f"{ATARI}::test_an_episode_is_a_whole_game_unless_training_is_told_otherwise"),
    Bug("games are not seeded", "envs/atari.py", "AtariPreprocessing(SeededEpisodes(env), ", "AtariPreprocessing(env, ", f"{ATARI}::test_an_episode_with_sticky_actions_is_gone_on_with"),
    Bug("every episode has one seed", "envs/seeded.py", "        bare.np_random = generator  # it goes on; the seed is of one episode\n", "", "test_seeded.py"),
    Bug("a seed goes no further", "envs/seeded.py", "            gym.Env.reset(bare, seed=seed)", "            pass", "test_seeded.py"),
    Bug("planes of bools are floats", SPEC, '"bool" if _is_planes(obs_space) else "float32"', '"float32"', f"{SPECS}::test_env_spec"),
    Bug("the action asked for pays", "envs/sticky_jax.py", "self.env.reward(state.inner, next_state.action, next_state.inner)", "self.env.reward(state.inner, action, next_state.inner)", "test_sticky.py"),
    Bug("the action asked for is remembered", "envs/sticky_jax.py", "self.env.transition(state.inner, taken, key), taken)", "self.env.transition(state.inner, taken, key), action)", "test_sticky.py"),
    Bug("actions stick as often as not", "envs/sticky_jax.py", "jax.random.bernoulli(coin, self.probability)", "jax.random.bernoulli(coin, 1 - self.probability)", "test_sticky.py"),
    # Vector environments of others
    Bug("a step that only resets is a transition", HOST, "self._without_resets(reward, terminated, truncated) if is_resetting else None", "None", VECTORS),
    Bug("what a reset pays is paid", HOST, "for values in (reward, terminated, truncated):", "for values in (terminated, truncated):", f"{VECTORS}::test_what_a_reset_pays_is_nobodys"),
    Bug("an episode ends in a reset", HOST, "for values in (reward, terminated, truncated):", "for values in (reward, terminated):", f"{VECTORS}::test_what_a_reset_pays_is_nobodys"),
    Bug("a new beginning resets rows", HOST, "            self._resetting[:] = False\n", "", f"{HOSTS}::test_a_new_beginning_is_no_reset_of_a_row"),
    Bug("frames come first", "envs/frames.py", "return FramesLast(envs) if is_stack and is_grey else envs", "return envs", f"{VECTORS}::test_frames_come_last"),
    Bug("the last frames of an episode come first", "envs/frames.py", "np.moveaxis(final, 0, -1) for final", "final.reshape(*final.shape[1:], -1) for final", f"{VECTORS}::test_the_last_frames_of_an_episode_come_last_too"),
    Bug("a row waits for nobody", "loops/rows.py", "        if not all(self._waiting):\n            return None\n", "        if not all(self._waiting):\n            return transition, truncated\n", ROWS),
    Bug("the newest step of an environment is first", "loops/rows.py", "waiting.popleft()", "waiting.pop()", ROWS),
    Bug("steps that wait are forgotten", "loops/rows.py", "if happened is None and not any(self._waiting):", "if happened is None:", ROWS),
    Bug("what waits is lost to a later run", "loops/host.py", "self._obs, self._rows = earlier._obs, earlier._rows", "self._obs = earlier._obs", ROWS),
    Bug("a reset is a step of an episode", "loops/host.py", "self.episode_length += 1 if step.happened is None else step.happened", "self.episode_length += 1", ROWS),
    # Memory, threads
    Bug("the smallest part is named", "memory.py", "max(parts, key=lambda part: part[2])", "min(parts, key=lambda part: part[2])", MEMORY),
    Bug("biases take nothing", "memory.py", "for array in named_arrays(networks).values())", "for name, array in named_arrays(networks).items() if not name.endswith('bias'))", MEMORY),
    Bug("other processes' children are one's own", "system/crowding.py", "sum(os.times()[:4]) + children", "sum(os.times()[:4])", "test_crowding.py::test_what_others_take_is_all_but_ones_own_and_ones_childrens"),
    Bug("no thread is left", "system/crowding.py", "max(1, min(threads, int(cores - taken + SPARE)))", "min(threads, int(cores - taken + SPARE))", "test_crowding.py::test_so_many_threads_have_cores_where_others_take_some"),
    # A later run
    Bug("an earlier run's steps are behind none", "loops/training.py", "if config.total_timesteps <= earlier.env_steps:", "if False:", f"{TRAINING}::test_what_cannot_be_resumed"),
    Bug("an evaluation in the training's environment", "loops/training.py", "if eval_envs is not None and set", "if False and set", f"{TRAINING}::test_one_environment_is_not_trained_and_evaluated_on"),
    Bug("a later run begins anew", "loops/training.py", "        training.go_on_from(resume)\n", "        pass\n", f"{TRAINING}::test_two_runs_are_one"),
    Bug("a resume that does not say what it lacks", "loops/training.py", "    if not isinstance(resume, Training | None):", "    if False:", f"{TRAINING}::test_resume_is_an_earlier_run"),
    Bug("an agent of another environment", "loops/training.py", "if (field := unlike(agent.spec, envs.spec)) is not None:", "if (field := unlike(agent.spec, agent.spec)) is not None:", f"{TRAINING}::test_an_agent_of_another_environment_is_refused"),
    Bug("an evaluation of no episodes", "loops/training.py", "    if episodes < 1:", "    if False:", "test_evaluate_agent.py::test_an_evaluation_has_episodes"),
    Bug("what an evaluation made stays open", "loops/training.py", "        if is_recipe(env):\n            envs.close()", "        pass", "test_evaluate_agent.py::test_evaluate_agent_closes_what_it_made_and_nothing_else"),
    Bug("a stepped environment draws the same at each step", "envs/stepped_jax.py", "self._key, *keys = jax", "_, *keys = jax", "test_stepped.py::test_every_step_and_every_episode_of_each_draws_anew"),
    Bug("a stepped environment ignores the seed", "envs/stepped_jax.py", "self._key = jax.random.key(seed)", "self._key = jax.random.key(0)", "test_stepped.py::test_every_step_and_every_episode_of_each_draws_anew"),
    Bug("a stepped environment ignores its arguments", "envs/stepped_jax.py", "functional_env(env_id, env_kwargs=env_kwargs)", "functional_env(env_id)", "test_stepped.py::test_it_is_made_with_the_arguments_that_are_given"),
    Bug("after a long episode none is remembered", "envs/tape.py", "        self._is_full = False\n        self._return", "        self._return", "test_tape.py::test_an_episode_too_long_to_remember_is_not_gone_on_with_and_the_next_one_is"),
    Bug("one frozen normalizer stands for all", "envs/normalize.py", "any(env.get_attr(FLAG))", "all(env.get_attr(FLAG))", "test_normalize.py::test_one_worker_whose_statistics_run_is_enough"),
    Bug("a vector that does not reset is refused", "envs/resets.py", "mode == AutoresetMode.DISABLED or getattr", "getattr", "test_vectors.py::test_who_resets_what"),
    Bug("before the first action stands 0", "envs/sticky_jax.py", "jnp.asarray(self.spec.action_start, jnp.int32)", "jnp.asarray(0, jnp.int32)", "test_sticky.py::test_before_the_first_action_of_an_episode_stands_the_first_that_there_is"),
    Bug("an episode begins with the draw that the last one ended with", "envs/functional_jax.py", "reset(env, reset_key, initial)", "reset(env, transition_key, initial)", "test_functional.py::test_an_episode_begins_with_another_draw_than_the_one_before_ends_with"),
    Bug("nothing can be lost at Atari", "envs/atari.py", "ClipReward(seen, -1, 1)", "ClipReward(seen, 0, 1)", "test_atari.py::test_a_point_lost_is_one_less_in_training_too"),
    Bug("a Dict's last observation is written over by the reset", "envs/tape.py", "obs = copy.deepcopy(obs)", "obs = copy.copy(obs)", "test_tape.py::test_the_last_observation_is_not_written_over_by_the_reset"),
    Bug("actions of a Discrete that begins above 0 are refused", "envs/tape.py", "(actions < space.start + space.n)", "(actions < space.n)", "test_tape.py::test_the_actions_of_a_discrete_space_that_begins_anywhere"),
    Bug("a time limit's last observation is the next one's", "envs/tape.py", "if terminated or truncated:\n            obs = copy", "if terminated:\n            obs = copy", f"{HOSTS}::test_an_environment_that_writes_into_its_own_array"),
    Bug("what cannot be brought back is the first episode again", HOST, '{"seed": integer(self._seed, "envs"),', '{"seed": self._seed,', "test_tape.py::test_what_begins_in_place_of_an_episode_that_is_lost_is_not_the_first_again"),
    Bug("a vector's normalized rewards are taken", "envs/normalize.py", "    wrappers.vector.NormalizeReward,\n", "", "test_normalize.py::test_running_statistics_are_refused"),
    Bug("no action is at its upper bound", "envs/tape.py", "(actions <= space.high)", "(actions < space.high)", "test_tape.py::test_the_actions_of_a_box_may_be_at_its_bounds"),
]  # fmt: skip
