"""Bugs in the equations, the optimizers and the acting of the learners, in either twin."""

from mutants import Bug

SAC_TORCH, SAC_JAX = "algos/sac_torch.py", "algos/sac_jax.py"
DQN_TORCH, DQN_JAX = "algos/dqn_torch.py", "algos/dqn_jax.py"
TORCH, JAX = "algos/learner_torch.py", "algos/learner_jax.py"
STEP_TORCH, STEP_JAX = "algos/optimizers_torch.py", "algos/optimizers_jax.py"

LAW = "test_noise.py::test_epsilon_greedy_actions"
NOISE = "test_noise.py::test_training_noise"
PIXELS = "test_sac_images.py"
EXPLORING, MODEL, CLEVER = "test_exploring.py", "test_model_state.py", "test_clever.py"
AGAIN = "test_noise.py::test_every_update_draws_noise_of_its_own"
OF_STATE = "test_hyperparameters.py::test_each_number_of_the_state_is_the_one_that_counts"
BUGS = [
    # Targets and losses
    Bug("entropy with the wrong sign in the target", SAC_TORCH, "next_action) - alpha", "next_action) + alpha", "test_equations.py::test_s3_target[torch]"),
    Bug("entropy with the wrong sign in the target", SAC_JAX, "next_action) - alpha", "next_action) + alpha", "test_equations.py::test_s3_target[jax]"),
    Bug("entropy with the wrong sign in the actor's loss", SAC_TORCH, "(alpha * log_prob -", "(-alpha * log_prob -", "test_equations.py::test_s5_actor[torch]"),
    Bug("entropy with the wrong sign in the actor's loss", SAC_JAX, "(alpha * log_prob -", "(-alpha * log_prob -", "test_equations.py::test_s5_actor[jax]"),
    Bug("target passes a gradient", DQN_TORCH, "@torch.no_grad()\ndef td_target", "def td_target", "test_equations.py::test_d2_target_passes_no_gradient[torch]"),
    Bug("target passes a gradient", DQN_JAX, "return jax.lax.stop_gradient(batch.reward", "return (batch.reward", "test_equations.py::test_d2_target_passes_no_gradient[jax]"),
    Bug("target passes a gradient", SAC_TORCH, "@torch.no_grad()\ndef td_target", "def td_target", "test_equations.py::test_s3_target[torch]"),
    Bug("target passes a gradient", SAC_JAX, "return jax.lax.stop_gradient(batch.reward", "return (batch.reward", "test_equations.py::test_s3_target[jax]"),
    Bug("terminal states bootstrap", JAX, "gamma * (1 - batch.terminated)", "gamma * (1 + 0 * batch.terminated)", "test_equations.py::test_d1_s1_discount[jax]"),
    Bug("discounts of the batch ignored", TORCH, "if batch.discount is None else batch.discount", "", "test_equations.py::test_d1_s1_discount[torch]"),
    Bug("the target network chooses in double DQN", DQN_TORCH, "q(batch.next_obs).argmax", "next_q.argmax", "test_equations.py::test_d2_target[torch-True-expected1]"),
    Bug("the online network chooses in vanilla DQN", DQN_JAX, "if double_q else jnp.max", "if True else jnp.max", "test_equations.py::test_d2_target[jax-False-expected0]"),
    Bug("Huber with another delta", DQN_TORCH, "delta=1.0", "delta=2.0", "test_equations.py::test_d3_huber[torch]"),
    Bug("squared instead of Huber", DQN_JAX, "jnp.abs(x) <= 1", "jnp.abs(x) <= 1e9", "test_equations.py::test_d3_huber[jax]"),
    Bug("no half in the critics' loss", SAC_TORCH, "0.5 * td_error**2", "td_error**2", "test_equations.py::test_s4_critics[torch]"),
    Bug("mean instead of sum over critics", SAC_JAX, "jnp.sum(jnp.stack(losses))", "jnp.mean(jnp.stack(losses))", "test_equations.py::test_s4_critics[jax]"),
    Bug("a tie's whole gradient to one critic", SAC_TORCH, ".amin(0)", ".min(0).values", "test_equations.py::test_s5_critics_that_tie_share_the_gradient[torch]"),
    Bug("weights ignored", JAX, "losses if weight is None else weight * losses", "losses", "test_equations.py::test_d3_loss[jax]"),
    Bug("weights divided by their mean", TORCH, "weight * losses)", "weight / weight.mean() * losses)", "test_equations.py::test_d3_loss[torch]"),
    Bug("alpha's loss passes a gradient to the actor", SAC_TORCH, "(log_prob + target_entropy).detach()", "(log_prob + target_entropy)", "test_equations.py::test_s6_alpha[torch]"),
    Bug("alpha's loss on alpha, not on its logarithm", SAC_JAX, "-log_alpha * jax", "-jnp.exp(log_alpha) * jax", "test_equations.py::test_s6_alpha[jax]"),
    # The squashed Gaussian
    Bug("correction for tanh dropped", SAC_TORCH, "(gaussian - correction)", "(gaussian)", "test_equations.py::test_s2_squash[torch-mean2-log_std2-noise2-action2--0.05137687223861842]"),
    Bug(
        "correction for tanh with an epsilon",
        SAC_JAX,
        "2 * (jnp.log(2.0) - u - jnp.logaddexp(-2 * u, 0.0))",
        "jnp.log(1 - jnp.tanh(u) ** 2 + 1e-6)", "test_equations.py::test_s2_squash[jax-mean0-log_std0-noise0-action0--0.9189385332046727]",
    ),
    Bug("no gradient at the bound of log_std", SAC_JAX, "log_std <= LOG_STD_MAX", "log_std < LOG_STD_MAX", "test_equations.py::test_s2_bounds_of_log_std[jax]"),
    Bug("the critic sees the environment's units", TORCH, "return 2 * (action.to(self.dtype) - self.low) / (self.high - self.low) - 1", "return action.to(self.dtype)", "test_reference.py::test_whole_updates[auto-torch]"),
    Bug("the greedy action is not squashed", SAC_JAX, "to_box(jnp.tanh(mean), spec)", "to_box(mean, spec)", "test_reference.py::test_actions_are_in_the_environments_units[jax]"),
    # The order of an update
    Bug("every critic by the first one's gradient", SAC_JAX, 'step(net, valued[net], grads[net])', 'step(net, valued[net], (grads[net][0],) * len(grads[net]))', "test_reference.py::test_whole_updates[auto-jax]"),
    Bug("targets follow the wrong critics", TORCH, "lerp_(online.vector,", "lerp_(online.vector.roll(len(online.vector) // 2),", "test_equations.py::test_d6_s9_target[torch-0.25-expected0]"),
    Bug("the actor sees the old critics", SAC_JAX, 'q, seen = partial(q_values, valued["critic"])', 'q, seen = partial(q_values, params["critic"])', "test_reference.py::test_whole_updates[auto-jax]"),
    Bug("noises exchanged", SAC_TORCH, "alpha, (next_noise, action_noise, *offsets) =", "alpha, (action_noise, next_noise, *offsets) =", "test_reference.py::test_whole_updates[auto-torch]"),
    Bug(
        "one noise for both actions",
        SAC_JAX,
        "return *jax.random.normal(key, (2, *leading_shape, spec.action_dim), dtype), *offsets",
        "return *[jax.random.normal(key, (*leading_shape, spec.action_dim), dtype)] * 2, *offsets",
        NOISE,
    ),
    # (S10), (S11): images
    Bug("the target reads the encoder that learns", SAC_TORCH, "policy, target_q = self.policy_of(tensors(self.params)), self.q_of(tensors(self.target_params))", 'policy, target_q = self.policy_of(tensors(self.params)), self.q_of({**tensors(self.target_params), **{net: self.params[net].tensors for net in self.valuing[:-1]}})', f"{PIXELS}::test_s10_each_net_reads_the_features_that_are_its_own"),
    Bug("the next action is of the target's features", SAC_JAX, "td_target(policy_of(params),", "td_target(policy_of({**params, **target_params}),", f"{PIXELS}::test_s10_each_net_reads_the_features_that_are_its_own"),
    Bug("the actor reads the features of before the step", SAC_JAX, "features(valued, batch.obs))", "features(params, batch.obs))", f"{PIXELS}::test_s10_each_net_reads_the_features_that_are_its_own"),
    Bug("the encoder does not learn", SAC_TORCH, "        for net in self.valuing:\n            step(net, grads[net])\n", '        step("critic", grads["critic"])\n', f"{PIXELS}::test_s10_the_sum_of_the_critics_losses_trains_the_encoder"),
    Bug("the encoder's target stays", SAC_TORCH, "        for net in self.valuing:\n            target_step(self.target_params[net]", '        for net in self.valuing[-1:]:\n            target_step(self.target_params[net]', f"{PIXELS}::test_s10_each_net_reads_the_features_that_are_its_own"),
    Bug("rows and columns shifted alike", "algos/augment_torch.py", "positions(offsets[:, axis],", "positions(offsets[:, 0],", f"{PIXELS}::test_s11_a_shift_repeats_the_border"),
    Bug("a shift that wraps", "algos/augment_jax.py", "jnp.clip(jnp.arange(side)[None] + offset[:, None] - pixels, 0, side - 1)", "(jnp.arange(side)[None] + offset[:, None] - pixels) % side", f"{PIXELS}::test_s11_a_shift_repeats_the_border"),
    Bug("offsets exchanged", "algos/augment_jax.py", "zip((batch.next_obs, batch.obs), offsets", "zip((batch.next_obs, batch.obs), offsets[::-1]", f"{PIXELS}::test_s11_an_update_shifts_both_observations_by_what_is_given"),
    Bug("one offset less", "algos/augment_torch.py", "torch.randint(2 * pixels + 1,", "torch.randint(2 * pixels,", f"{PIXELS}::test_s11_offsets_are_drawn_evenly_for_each_image"),
    # The optimizer's step and the target's
    Bug("no clip", STEP_JAX, "jnp.minimum(1.0, max_norm / (norm + 1e-6))", "1.0", "test_equations.py::test_d4_s7_clip[jax-13]"),
    Bug("clip of each element", STEP_TORCH, "grads *= (max_norm / (norm + 1e-6)).clamp(max=1.0)", "grads.clamp_(-max_norm, max_norm)", "test_equations.py::test_d4_s7_clip[torch-13]"),
    Bug("Adam's epsilon inside the root", STEP_JAX, "jnp.sqrt(nu / nu_scale) + eps", "jnp.sqrt(nu / nu_scale + eps)", "test_equations.py::test_d5_s8_adam[jax]"),
    Bug("RMSprop's decay of optax", STEP_JAX, "decay=0.99", "decay=0.9", "test_equations.py::test_d5_s8_rmsprop[jax]"),
    Bug("RMSprop with another decay", STEP_TORCH, "mul_(0.99).addcmul_(grad, grad, value=1 - 0.99)", "mul_(0.9).addcmul_(grad, grad, value=1 - 0.9)", "test_equations.py::test_d5_s8_rmsprop[torch]"),
    Bug("Adam with another beta", STEP_TORCH, '"beta2": 0.999', '"beta2": 0.99', "test_equations.py::test_d5_s8_adam[torch]"),
    Bug("compiled: Adam's eps inside the root", STEP_TORCH, "((nu / nu_scale).sqrt() + 1e-8)", "(nu / nu_scale + 1e-8).sqrt()", "test_compile.py::test_equals_its_twins_after_every_of_20_updates[dqn]"),
    Bug("tau on the wrong side", TORCH, "lerp_(online.vector, tau)", "lerp_(online.vector, 1 - tau)", "test_equations.py::test_d6_s9_target[torch-0.25-expected0]"),
    Bug("tau on the wrong side", JAX, "(1 - tau) * t + tau * o", "tau * t + (1 - tau) * o", "test_equations.py::test_d6_s9_target[jax-0.25-expected0]"),
    Bug("target one update late", DQN_TORCH, "(num_updates + 1) %", "num_updates %", "test_reference.py::test_whole_updates[vanilla-torch]"),
    Bug("target one update late", SAC_TORCH, "(num_updates + 1) %", "num_updates %", "test_reference.py::test_whole_updates[fixed-torch]"),
    Bug("what was not due is not put back", TORCH, "tensor.copy_(torch.where(due, tensor, value))", "pass", "test_compile.py::test_a_recorded_step_is_the_step"),
    Bug("target at every update", SAC_JAX, "due = num_updates % config.target_update_interval == 0", "due = True", "test_reference.py::test_whole_updates[fixed-jax]"),
    # Acting and data
    Bug("one coin for all environments", DQN_TORCH, "torch.rand(n,", "torch.rand((),", LAW),
    Bug("one key for every action", "agents/agent_jax.py", "learner.act_noise(subkey, n), jax.random.key_data(key)", "learner.act_noise(subkey, n), key_data", LAW),
    Bug("one key for every update", "agents/agent_jax.py", "noise), jax.random.key_data(key)", "noise), key_data", AGAIN),
    Bug("the coin compared the wrong way", DQN_TORCH, "coin < epsilon", "coin > epsilon", f"{EXPLORING}::test_dqn_takes_any_action_where_the_coin_is_below_epsilon"),
    Bug("the coin compared the wrong way", DQN_JAX, "coin < epsilon", "coin > epsilon", f"{EXPLORING}::test_dqn_takes_any_action_where_the_coin_is_below_epsilon"),
    Bug("a coin that is epsilon explores", DQN_JAX, "coin < epsilon", "coin <= epsilon", f"{EXPLORING}::test_a_coin_that_is_epsilon_does_not_explore"),
    Bug("epsilon of the step before", DQN_TORCH, "epsilon(self.hyper, env_steps)", "epsilon(self.hyper, env_steps - 1)", f"{EXPLORING}::test_a_coin_that_is_epsilon_does_not_explore"),
    Bug("epsilon of the next step, in both twins", DQN_JAX, "epsilon(state.hyper, env_steps)", "epsilon(state.hyper, env_steps + 1)", f"{EXPLORING}::test_a_coin_that_is_epsilon_does_not_explore", ((DQN_TORCH, "epsilon(self.hyper, env_steps)", "epsilon(self.hyper, env_steps + 1)"),)),
    Bug("any action counted from the first one's number twice", DQN_JAX, "jnp.where(explore, anything, best", "jnp.where(explore, anything + spec.action_start, best", f"{EXPLORING}::test_dqn_takes_any_action_where_the_coin_is_below_epsilon"),
    Bug("given noise ignored", "agents/agent_torch.py", "self.learner.act(tensor, self._moved(noise), env_steps)", "self.learner.act(tensor, self.learner.act_noise(self.generator, len(obs)), env_steps)", f"{EXPLORING}::test_to_act_is_to_draw_and_then_to_act_on_it[dqn-torch]"),
    Bug("given noise ignored", "agents/agent_jax.py", "obs, cast_floats(noise, self.dtype)", "obs, jax.tree.map(jnp.zeros_like, noise)", f"{EXPLORING}::test_one_twin_acts_on_what_the_other_draws[dqn]"),
    Bug("exploring without the noise", SAC_TORCH, "squash(mean, log_std, *noise)", "squash(mean, log_std, 0 * noise[0])", f"{EXPLORING}::test_sac_squashes_the_mean_and_the_noise"),
    Bug("drawing noise advances no generator", "agents/agent_jax.py", "noise, self._key_data = self._act_noise(self._key_data, num_envs)", "noise, _ = self._act_noise(jnp.array(self._key_data), num_envs)", f"{EXPLORING}::test_to_act_is_to_draw_and_then_to_act_on_it[dqn-jax]"),
    Bug("epsilon does not stop", DQN_JAX, "jnp.minimum(env_steps / hyper.exploration_steps, 1.0)", "env_steps / hyper.exploration_steps", "test_equations.py::test_d7_epsilon[jax-1000000000-0.1]"),
    Bug("the first action's number ignored", DQN_TORCH, "batch.action.long() - self.spec.action_start", "batch.action.long()", "test_reference.py::test_whole_updates[vanilla-torch]"),
    Bug("images not scaled", "nets/networks_jax.py", "/ 255", "/ 1", "test_reference.py::test_whole_updates[image-jax]"),
    Bug("truncated taken for terminal", "loops/host.py", "step.next_obs, step.terminated)", "step.next_obs, step.terminated | step.truncated)", "test_loop.py::test_stored_transitions[True]"),
    # Checkpoints
    Bug("Adam's count lost", "agents/agent_torch.py", "torch.as_tensor(state[name])", "torch.as_tensor(state[name] * (not name.endswith('.count')))", "test_crossing.py::test_500_updates_here_and_500_there_are_1000_in_either[jax-torch-dqn]"),
    Bug("model state lost", "agents/agent_torch.py", "return named | {f\"model_state.{name}\": tensor for name, tensor in learner.model_state.items()}", "return named", f"{MODEL}::test_it_is_the_mean_of_all_that_was_learned_from[torch]"),
    Bug("model state without its prefix", "agents/agent_jax.py", '"model_state": "model_state."', '"model_state": ""', f"{MODEL}::test_it_is_the_mean_of_all_that_was_learned_from[jax]"),
    Bug("a count of model state taken for the optimizer's", "disk/tensors.py", 'if not name.startswith("optimizer."):', "if False:", f"{MODEL}::test_the_twins_are_equal"),
    Bug("a count of model state taken for the optimizer's", "agents/agent_torch.py", 'if name.startswith("optimizer.") and name.endswith(".count")', 'if name.endswith(".count")', f"{MODEL}::test_a_checkpoint_crosses[torch-jax]"),
    Bug("moments exchanged", STEP_TORCH, '[moments["mu"]], [moments["nu"]]', '[moments["nu"]], [moments["mu"]]', "test_reference.py::test_whole_updates[vanilla-torch]"),
    Bug("number of updates lost", "agents/agent_jax.py", 'self._num_updates = int(state["num_updates"])', "self._num_updates = 0", "test_crossing.py::test_500_updates_here_and_500_there_are_1000_in_either[torch-jax-dqn]"),
    # What is clever, and what stands in for it
    Bug("a packed state taken apart in the wrong place", "agents/packing_jax.py", "begin[name] += like.size", "begin[name] += 0", f"{CLEVER}::test_a_packed_state_learns_as_one_that_is_not[dqn]"),
    Bug("large arrays come back as joined ones", "agents/packing_jax.py", "leaf for leaf in leaves if leaf.size > LARGE]", "leaf for leaf in reversed(leaves) if leaf.size > LARGE]", f"{CLEVER}::test_what_is_large_stays_by_itself[dqn]"),
    Bug("all is joined, however large", "agents/packing_jax.py", "[leaf for leaf in leaves if leaf.size <= LARGE]", "leaves", f"{CLEVER}::test_what_is_large_stays_by_itself[dqn]"),
    Bug("oneDNN where there is none", "nets/onednn_torch.py", "possible = AVAILABLE and x", "possible = x", f"{CLEVER}::test_a_torch_without_onednn_takes_its_own_product[False]"),
    Bug("narrow layers by oneDNN", "nets/onednn_torch.py", "min(*x.shape, len(bias)) >= WIDE", "len(bias) >= WIDE", f"{CLEVER}::test_a_torch_without_onednn_takes_its_own_product[True]"),
    Bug("all compiled updates are of one code", "algos/compile_torch.py", "    program.__code__ = program.__code__.replace()  # a copy\n", "", "test_compile.py::test_a_process_may_have_as_many_compiled_agents_as_it_likes"),
    Bug("a recorded update does not know of model state", "algos/learner_torch.py", "return [*own, *moments, *self.model_state.values(), self", "return [*own, *moments, self", "test_model_state.py::test_it_is_among_all_that_an_update_changes"),
    Bug("a target entropy is always below 0", "algos/sac.py", "else float(config.target_entropy)", "else -abs(float(config.target_entropy))", "test_reference.py::test_whole_updates"),
    Bug("parity's images are shifted half as far", "algos/sac.py", "rng.integers(2 * config.random_shift + 1,", "rng.integers(config.random_shift + 1,", "test_sac_images.py::test_s11_without_a_shift_the_noise_is_what_it_was"),
    Bug("auto_1e-2 is refused", "algos/sac.py", "(?:e-?\\d+)?)\"", ")\"", "test_config.py::test_the_bounds_of_a_setting"),
    # The numbers in the state, over which a program may be vmapped
    Bug("gamma is compiled in", DQN_JAX, "batch, hyper.gamma, config", "batch, config.gamma, config", OF_STATE),
    Bug("the norm that gradients are clipped to is compiled in", DQN_JAX, "clip_by_global_norm(grads, hyper.max_grad_norm)", "clip_by_global_norm(grads, config.max_grad_norm)", OF_STATE),
    Bug("tau is compiled in", SAC_JAX, "valued[net], hyper.tau, due)", "valued[net], config.tau, due)", OF_STATE),
    Bug("the learning rate is compiled in", SAC_JAX, "opt_state[net], hyper.learning_rate)", "opt_state[net], config.learning_rate)", OF_STATE),
    Bug("the target entropy is compiled in", SAC_JAX, "hyper.target_entropy, batch.weight", "config.target_entropy, batch.weight", OF_STATE),
]  # fmt: skip
