"""Bugs in what importers call: going on with a training, evaluation, estimates of memory, spaces, workers."""

from mutants import Bug

TRAINING, LOOP = "test_training.py", "test_loop.py"
BUGS = [
    Bug("going on forgets the warm-up generator", "loops/host.py", "self.warm_up_rng, self.minibatch_rng = earlier.warm_up_rng, earlier.minibatch_rng", "self.minibatch_rng = earlier.minibatch_rng", TRAINING),
    Bug("going on forgets the best", "loops/host.py", "self.env_steps, self.best_return = earlier.env_steps, earlier.best_return", "self.env_steps = earlier.env_steps", TRAINING),
    Bug("going on begins new episodes", "loops/host.py", "            self._obs, self._rows = earlier._obs, earlier._rows\n", "", TRAINING),
    Bug("going on forgets the episodes' returns", "loops/host.py", "            self.episode_return, self.episode_length = earlier.episode_return, earlier.episode_length\n", "", TRAINING),
    Bug("going on forgets experience", "loops/host.py", "        self._is_experienced = earlier._is_experienced\n", "", TRAINING),
    Bug("going on forgets ended episodes", "loops/host.py", "self.ended, self.metrics, self._info = earlier.ended, earlier.metrics, earlier._info", "self.metrics, self._info = earlier.metrics, earlier._info", TRAINING),
    Bug("the earlier one goes on too", "loops/host.py", "        earlier.stop()\n", "", TRAINING),
    Bug("experienced agents warm up", "loops/host.py", "self._is_experienced = agent.num_updates > 0", "self._is_experienced = False", TRAINING),
    Bug("resume takes a new replay", "loops/training.py", "replay = resume.replay if resume else make_replay", "replay = make_replay", TRAINING),
    Bug("resume has new environments", "loops/training.py", "envs = resume.envs if resume is not None and is_same(env, resume.env) else as_envs(env, training=True)", "envs = as_envs(env, training=True)", TRAINING),
    Bug("own replay ignored", "loops/training.py", "    if replay is None:\n", "    if True:\n", TRAINING),
    Bug("evaluate_agent ignores seed", "loops/training.py", "evaluate(agent, envs, episodes, seed)", "evaluate(agent, envs, episodes, 0)", "test_evaluate_agent.py"),
    Bug("evaluate_agent closes user's env", "loops/training.py", "        if is_recipe(env):\n            envs.close()", "        if True:\n            envs.close()", "test_evaluate_agent.py"),
    Bug("wrong agents accepted", "loops/training.py", "if (field := unlike(agent.spec, envs.spec)) is not None:", "if (field := unlike(envs.spec, envs.spec)) is not None:", TRAINING),
    Bug("evaluation episode counted past its end", "loops/host.py", "returns += step.reward * playing", "returns += step.reward", f"{LOOP}::test_every_episode_of_an_evaluation_counts"),
    Bug("length counted past its end", "loops/host.py", "lengths += playing\n", "lengths += 1\n", f"{LOOP}::test_every_episode_of_an_evaluation_counts"),
    Bug("evaluation ends with first", "loops/host.py", "if not playing[:count].any():", "if not playing[:count].all():", f"{LOOP}::test_every_episode_of_an_evaluation_counts"),
    Bug("evaluation explores", "loops/host.py", "envs.step(agent.act(obs, explore=False))", "envs.step(agent.act(obs))", f"{LOOP}::test_every_episode_of_an_evaluation_counts"),
    Bug("memory forgets seeds", "memory.py", "seeds * replay_bytes(algo.buffer_size", "replay_bytes(algo.buffer_size", "test_memory.py"),
    Bug("memory forgets processes", "memory.py", 'if config.vectorization == "async" else 0', 'if False else 0', "test_memory.py"),
    Bug("the first part is named, not the largest", "memory.py", "max(parts, key=lambda part: part[2])", "parts[0]", "test_memory.py"),
    Bug("rounding outwards", "envs/spec.py", "beyond = side * nearest.astype(np.float64) > side", "beyond = side * nearest.astype(np.float64) < side", "test_env_spec.py"),
    Bug("start lost", "envs/spec.py", '"action_start": int(space.start)}', '"action_start": 0}', "test_env_spec.py"),
    Bug("dict images unscaled", "envs/spec.py", "np.float32(1 / 255), np.float32(1)", "np.float32(1), np.float32(1)", "test_host_envs.py"),
    Bug("a preset: module:id not found", "presets.py", 'env.rpartition(":")[2]', "env", "test_presets.py"),
    Bug("a process keeps the cores of another", "system/workers.py", "    finally:\n        bind_to(before)", "    finally:\n        pass", "test_compare_turns.py"),
    Bug("act of one obs gives batch", "agents/base.py", "self._act(obs[None], explore, step, noise)[0]", "self._act(obs[None], explore, step)", "test_act.py"),
    Bug("foreign generator refused", "agents/base.py", 'return name.startswith("rng.") and name != self.rng_name', "return False", "test_crossing.py"),
]  # fmt: skip
