"""Bugs in the agents, in acting, and in the functional environments' settings."""

from mutants import Bug

BASE, TORCH, JAX, MAKE = "agents/base.py", "agents/agent_torch.py", "agents/agent_jax.py", "make.py"
DEVICES = "test_devices.py"
AGENTS, GOAL = "test_agents.py", "test_classic.py::test_the_goal_wants_its_velocity"
RESEED = f"{AGENTS}::test_reseed_starts_the_generator_of_that_seed"
BOUNDS = f"{AGENTS}::test_an_exploring_sac_keeps_the_bounds_of_log_std"
PRECISION = f"{AGENTS}::test_the_precision_reaches_every_product"
LOST = f"{AGENTS}::test_a_state_without_the_generator_does_not_repeat_the_noise_from_the_start"
BUGS = [
    Bug("reseed ignores its seed", TORCH, "self.generator.manual_seed(seed)", "self.generator.manual_seed(0)", RESEED),
    Bug("reseed ignores its seed", JAX, "jax.random.key_data(jax.random.key(seed))", "jax.random.key_data(jax.random.key(0))", RESEED),
    Bug("every agent explores alike", TORCH, 'self.reseed(integer(identity.seed, "noise"))', 'self.reseed(integer(0, "noise"))', f"{AGENTS}::test_the_seed_decides_parameters_and_exploration[dqn-torch]"),
    Bug("every agent explores alike", JAX, 'self.reseed(integer(identity.seed, "noise"))', 'self.reseed(integer(0, "noise"))', f"{AGENTS}::test_the_seed_decides_parameters_and_exploration[dqn-jax]"),
    Bug("every agent begins with the same parameters", MAKE, 'stream(seed, "parameters")', 'stream(0, "parameters")', f"{AGENTS}::test_the_seed_decides_parameters_and_exploration[dqn-torch]"),
    Bug("load_agent ignores its device", "load.py", "device=device,\n            dtype=saved", "dtype=saved", f"{AGENTS}::test_the_device_is_the_one_asked_for[torch]"),
    Bug("make_agent ignores its device", MAKE, "params, device=device, matmul", 'params, device="auto", matmul', f"{AGENTS}::test_the_device_is_the_one_asked_for[torch]"),
    Bug("load_agent ignores the seed", "load.py", 'seed=saved.meta["seed"],', "", f"{AGENTS}::test_a_checkpoint_says_the_seed_and_keeps_it[torch]"),
    Bug("agent.json has another seed", BASE, '"seed": identity.seed,', '"seed": 0,', f"{AGENTS}::test_a_checkpoint_says_the_seed_and_keeps_it[torch]"),
    Bug("matmul_precision ignored", MAKE, "matmul_precision=matmul_precision, **options", 'matmul_precision="highest", **options', PRECISION),
    Bug("matmul_precision ignored", TORCH, "torch.set_float32_matmul_precision(matmul_precision)", 'torch.set_float32_matmul_precision("highest")', f"{AGENTS}::test_the_precision_is_torchs"),
    Bug("a generator that is not there begins anew from the seed", BASE, 'self.reseed(integer(self.seed, "noise", self.num_updates))', "pass", LOST),
    Bug("a generator that is not there forgets the updates", BASE, 'integer(self.seed, "noise", self.num_updates)', 'integer(self.seed, "noise")', LOST),
    Bug("a resume with another generator repeats the noise", "runs/host_run.py", "(own := self.agent.rng_name) not in state", "(own := self.agent.rng_name) == 0", f"{AGENTS}::test_a_run_goes_on_with_new_noise_where_the_generator_is_not_its_own"),
    Bug("a resume with another generator forgets the step", "runs/host_run.py", 'integer(config.seed, "noise", loop.env_steps)', 'integer(config.seed, "noise")', f"{AGENTS}::test_a_run_goes_on_with_new_noise_where_the_generator_is_not_its_own"),
    Bug("exploring ignores the bounds of log_std", "algos/sac_torch.py", "action, _ = squash(mean, log_std, *noise)\n        return self.to_box", "action, _ = squash(mean, self.networks['actor'][0](flatten_obs(obs, self.spec.obs_shape, self.dtype)).chunk(2, dim=-1)[1], *noise)\n        return self.to_box", BOUNDS),
    Bug("one coin decides for all environments", "algos/dqn_jax.py", "jax.random.uniform(coin_key, (n,))", "jax.random.uniform(coin_key, (1,)).repeat(n)", "test_noise.py::test_epsilon_greedy_actions"),
    Bug("one random action for all environments", "algos/dqn_jax.py", "jax.random.randint(action_key, (n,), 0, spec.action_dim)", "jax.random.randint(action_key, (1,), 0, spec.action_dim).repeat(n)", f"{AGENTS}::test_an_exploring_dqn_draws_every_action_for_every_environment[jax]"),
    Bug("goal_velocity ignored", "envs/classic_jax.py", '(state[0] >= 0.5) & (state[1] >= self.settings["goal_velocity"])', "(state[0] >= 0.5) & (state[1] >= 0)", GOAL),
    Bug("goal_velocity ignored", "envs/classic_jax.py", '(position >= 0.45) & (velocity >= self.settings["goal_velocity"])', "(position >= 0.45) & (velocity >= 0)", GOAL),
    Bug("NPROC of the user is overridden", "agents/runtime_jax.py", 'os.environ.setdefault("NPROC", "1")', 'os.environ["NPROC"] = "1"', "test_machine.py::test_what_the_user_has_set_for_jax_is_left_alone"),
    Bug("memory is not taken as the user says", "agents/runtime_jax.py", 'os.environ.setdefault(PREALLOCATE, "false")', 'os.environ[PREALLOCATE] = "false"', "test_machine.py::test_what_the_user_has_set_for_jax_is_left_alone"),
    Bug("an earlier state keeps the count of updates", "agents/agent_torch.py", 'self._num_updates = int(state["num_updates"])', 'self._num_updates = max(self._num_updates, int(state["num_updates"]))', "test_agents.py::test_the_count_of_updates_is_the_states"),
    Bug("several updates tell the last one's TD errors", "agents/agent_torch.py", "torch.stack([info.td_error for info in infos])", "torch.stack([infos[-1].td_error for info in infos])", "test_agents.py::test_several_updates_at_once_tell_the_td_errors_of_each"),
    Bug("a state changes with later updates", "agents/agent_torch.py", "tensor.cpu().numpy().copy() for", "tensor.cpu().numpy() for", "test_agents.py::test_a_state_does_not_change_with_later_updates"),
    Bug("a state that is refused has changed the parameters", "agents/agent_torch.py", """        if self.rng_name in state:
            self._set_generator(state[self.rng_name])
        for name, tensor in self.tensors.items():
            tensor.copy_(torch.as_tensor(state[name]))
""", """        for name, tensor in self.tensors.items():
            tensor.copy_(torch.as_tensor(state[name]))
        if self.rng_name in state:
            self._set_generator(state[self.rng_name])
""", "test_generators.py::test_a_state_whose_generator_is_none_changes_nothing"),
    Bug("an agent saved to a link takes its place", "agents/base.py", "save_checkpoint(os.path.realpath(path), self", "save_checkpoint(path, self", "test_agents.py::test_an_agent_saved_to_a_link_is_where_that_leads_to"),
    Bug("what make_agent builds by a function stays open", MAKE, "        made.close()\n", "", "test_make.py::test_what_make_agent_builds_is_closed"),
    Bug("a generator that has just filled its words is refused", TORCH, "(1 <= left <= 624 and", "(1 <= left < 624 and", "test_generators.py::test_a_generator_is_taken_wherever_it_stands_among_its_624_words"),
    Bug("an action is rounded over its bound", "algos/learner_jax.py", "return jnp.clip(low + 0.5 * (action + 1) * (high - low), low, high)", "return low + 0.5 * (action + 1) * (high - low)", "test_act.py::test_an_action_at_a_bound_is_not_rounded_over_it"),
    Bug("an action is rounded over its bound, torch", "algos/learner_torch.py", "(self.high - self.low)).clamp(self.low, self.high)", "(self.high - self.low))", "test_act.py::test_an_action_at_a_bound_is_not_rounded_over_it"),
    Bug("the precision stops at the fused loop", "loops/seeds_jax.py", "precision=config.matmul_precision)", 'precision="highest")', f"{AGENTS}::test_the_precision_reaches_the_fused_loop"),
    Bug("an action is JAX's own array, which is read-only", JAX, "np.asarray(action).astype(np.int32 if self.spec.discrete else np.float32)", "np.asarray(action).astype(np.int32 if self.spec.discrete else np.float32, copy=False)", "test_act.py::test_an_action_may_be_changed"),
    # What branches on the device
    Bug("many seeds are all on the first GPU", "loops/seeds_jax.py", 'return [first] if first.platform == "cpu" else jax.devices(first.platform)', "return [first]", f"{DEVICES}::test_many_seeds_are_for_all_gpus_that_there_are"),
    Bug("the GPU is not waited for", TORCH, "            torch.cuda.synchronize(self.device)\n", "            pass\n", f"{DEVICES}::test_torch_waits_for_the_gpu"),
    Bug("the parameters are not waited for", JAX, "block_until_ready((self._packed, self._key_data))", "block_until_ready(self._key_data)", f"{DEVICES}::test_jax_waits_for_the_parameters"),
    Bug("no observation at all is acted on", "agents/base.py", "if shape and shape[0] and", "if shape and", "test_act.py::test_another_shape_is_one_line"),
    Bug("torch's convolutions take TF32", "agents/agent_torch.py", 'allow_tf32 = matmul_precision == "high"', "allow_tf32 = True", "test_agents.py::test_the_precision_is_torchs"),
    Bug("torch.compile advises TF32 where it is turned off", "algos/compile_torch.py", 'warnings.filterwarnings("ignore", "TensorFloat32 tensor cores")', "pass", f"{DEVICES}::test_the_compilers_advice_to_use_tf32_is_kept_to_itself"),
    Bug("no other warning of torch.compile is heard", "algos/compile_torch.py", 'warnings.filterwarnings("ignore", "TensorFloat32 tensor cores")', 'warnings.simplefilter("ignore")', f"{DEVICES}::test_the_compilers_advice_to_use_tf32_is_kept_to_itself"),
    Bug("a compiled run is told to compile", "runs/host_run.py", ' and not config.compile:', ":", f"{DEVICES}::test_a_run_of_eager_torch_on_a_gpu_says_what_compiling_gains"),
    Bug("a compiled update is never recorded", "algos/compile_torch.py", 'program if device.type == "cpu" else Recorded(silent_on_tf32(program), state)', "program", f"{DEVICES}::test_a_compiled_update_is_recorded_on_a_gpu"),
    Bug("a GPU's program has the options of a CPU's", "algos/compile_torch.py", 'options = CPU_OPTIONS if device.type == "cpu" else None', "options = CPU_OPTIONS", f"{DEVICES}::test_a_compiled_update_is_recorded_on_a_gpu"),
    Bug("a flipped image is an error of torch", TORCH, " or (not flags.c_contiguous and min(array.strides) < 0)", "", "test_act.py::test_observations_may_be_views_that_torch_cannot_share"),
    Bug("torch warns of what is read-only", TORCH, "if not flags.writeable or (", "if (", "test_act.py::test_observations_may_be_views_that_torch_cannot_share"),
    Bug("torch has fewer threads than the user asks for", "agents/runtime_torch.py", 'if "OMP_NUM_THREADS" not in os.environ:', "if config.threads:", "test_crowding.py::test_a_small_network_has_the_threads_that_the_user_asks_for"),
]  # fmt: skip
