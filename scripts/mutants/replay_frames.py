"""Bugs in the storage that keeps each frame once: which frames make a stack, which are still there, what a file says."""

from mutants import Bug

FRAMES, BUFFER, STORAGE, TENSORS = "replay/frames.py", "replay/buffer.py", "replay/storage.py", "disk/tensors.py"
JAX, BUFFER_JAX, HOST = "replay/frames_jax.py", "replay/buffer_jax.py", "test_frames.py"
SAME, LOOP = (
    f"test_frames_jax.py::test_{name}" for name in ("it_is_the_hosts", "the_fused_loop_learns_from_true_stacks")
)
SAVED = "test_frames_jax.py::test_a_saved_one_goes_on_to_the_bit_and_a_spoiled_one_is_refused"
MODEL, RESUME = f"{HOST}::test_it_gives_what_went_in", f"{HOST}::test_a_loaded_one_goes_on_to_the_bit"
ROOM = f"{HOST}::test_it_holds_as_many_as_there_is_room_for_where_episodes_are_long"
WINDOWS = f"{HOST}::test_it_holds_windows_of_n_steps"
SPOILED = f"{HOST}::test_a_spoiled_state_is_refused_and_changes_nothing"
BYTES = "test_frames_bytes.py::test_bytes_by_hand"
MILLION = "test_frames_bytes.py::test_a_million_atari_transitions_take_less_than_seven_and_a_half_gigabytes"
BUGS = [
    # Which frames make a stack
    Bug("stacks reach across the beginning of an episode", FRAMES, ".any(axis=1)\n        envs", ".any(axis=1) & (self.held == 0)\n        envs", MODEL),
    Bug("an episode begins only where one ended", FRAMES, "begins = (obs != self.next_obs).reshape(self.num_envs, -1).any(axis=1)", "begins = self.over if hasattr(self, 'over') else np.ones(self.num_envs, bool)\n        self.over = (transition.terminated > 0) | truncated", MODEL),
    Bug("every step begins an episode", FRAMES, "begins = (obs != self.next_obs).reshape(self.num_envs, -1).any(axis=1)", "begins = np.ones(self.num_envs, bool)", ROOM),
    Bug("one environment's beginning is all environments'", FRAMES, ".any(axis=1)\n        envs", ".any(axis=1)\n        begins[:] = begins.any()\n        envs", MODEL),
    Bug("the first stack is padded with its first frame", FRAMES, "self.frames[slots, envs[:, None]] = stacks", "self.frames[slots, envs[:, None]] = stacks[:, -1:]", MODEL),
    Bug("the first stack is padded with zeros", FRAMES, "self.frames[slots, envs[:, None]] = stacks", "self.frames[slots[:, -1], envs] = stacks[:, -1]", MODEL),
    Bug("the first stack is written the wrong way round", FRAMES, "self.frames[slots, envs[:, None]] = stacks", "self.frames[slots, envs[:, None]] = stacks[:, ::-1]", MODEL),
    Bug("the first stack goes to the first environments", FRAMES, "self.frames[slots, envs[:, None]] = stacks", "self.frames[slots, np.arange(len(envs))[:, None]] = stacks", MODEL),
    Bug("a final frame of the wrong environment", FRAMES, "self._unstacked(next_obs)[:, -1]\n", "self._unstacked(next_obs)[::-1, -1]\n", MODEL),
    Bug("the oldest frame of next_obs is kept", FRAMES, "self._unstacked(next_obs)[:, -1]\n", "self._unstacked(next_obs)[:, 0]\n", MODEL),
    Bug("the final frame is the next episode's first", FRAMES, "% streams.turn  # position of next_obs's frame", "% streams.turn - begins", MODEL),
    Bug("the last next_obs is stale", FRAMES, "self.next_obs[:], self.head = next_obs, (following", "self.next_obs[:], self.head = obs, (following", ROOM),
    Bug("the last next_obs is the caller's array", FRAMES, "self.next_obs[:], self.head = next_obs, (following", "self.next_obs, self.head = next_obs, (following", f"{HOST}::test_the_last_observation_is_a_copy"),
    Bug("next_obs is obs", FRAMES, "window[..., :-1, :], window[..., 1:, :]", "window[..., 1:, :], window[..., 1:, :]", MODEL),
    Bug("a window is one frame early", FRAMES, "np.arange(1 - count, 1)", "np.arange(-count, 0)", MODEL),
    Bug("a stack has its newest frame first", FRAMES, "np.arange(1 - count, 1)", "np.arange(0, -count, -1)", MODEL),
    Bug("windows do not go round", FRAMES, "np.arange(1 - count, 1)) % self.streams.size", "np.arange(1 - count, 1)).clip(0, self.streams.size - 1)", MODEL),
    Bug("frames of the next environment", FRAMES, "envs = self.transitions.take(indices), indices % self.num_envs", "envs = self.transitions.take(indices), (indices + 1) % self.num_envs", MODEL),
    Bug("channels of a frame are torn apart", FRAMES, "pixels.swapaxes(-3, -2)", "pixels", MODEL),
    Bug("n steps end where one does", FRAMES, "(batch.next_obs - batch.obs == 1).all()", "(batch.next_obs - batch.obs >= 1).all()", WINDOWS),
    Bug("what is no stack is taken", FRAMES, "if not np.array_equal(stacks[:, 1:], ", "if len(envs) < 0 and not np.array_equal(stacks[:, 1:], ", f"{HOST}::test_what_is_no_stack_is_refused"),
    # Which are still there
    Bug("a span that is one row too long", FRAMES, "% self.turn > self.size", "% self.turn > self.size + 1", MODEL),
    Bug("the older frames of a stack may be overwritten", FRAMES, "(head - position + self.stack - 1)", "(head - position)", MODEL),
    Bug("only a row that is lost in all environments is lost", FRAMES, "self.head).any())", "self.head).all())", MODEL),
    Bug("one row a step is lost at most", FRAMES, "        while self._is_lost(", "        if self._is_lost(", MODEL),
    Bug("more rows than there are", FRAMES, "self.held = min(self.held + 1, self.rows)", "self.held = self.held + 1", MODEL),
    Bug("what is lost is drawn", FRAMES, "        if not lost:\n", "        if True:\n", MODEL),
    Bug("the newest rows are not drawn, and lost ones are", FRAMES, "(self.transitions.position - self.held) % self.rows * self.num_envs", "(self.transitions.position - len(self.transitions) // self.num_envs) % self.rows * self.num_envs", MODEL),
    Bug("rows too young for n steps are drawn", FRAMES, "Span(max(0, span.length - lost), span.size, start)", "Span(len(self), span.size, start)", WINDOWS),
    Bug("positions begin anew in the midst of a stream", FRAMES, "return (self.stack + 2) * self.size", "return (self.stack + 2) * self.size - 1", MODEL),
    Bug("positions go round too soon", FRAMES, "return (self.stack + 2) * self.size", "return self.size", MODEL),
    Bug("no room for what a stack has more", FRAMES, "rows + stack + rows // EPISODE", "rows + rows // EPISODE", BYTES),
    Bug("no room for first stacks", FRAMES, "rows + stack + rows // EPISODE", "rows + stack", ROOM),
    Bug("len is of rows", FRAMES, "return self.held * self.num_envs", "return self.held", MODEL),
    # Bytes
    Bug("frames are stored as floats", FRAMES, "*streams.frame), spec.obs_dtype)}", "*streams.frame), 'float32')}", MILLION),
    Bug("stacks are stored", FRAMES, "channels // stack), rows + stack", "channels), rows + stack", BYTES),
    Bug("bytes of one environment", FRAMES, "return num_envs * (frames", "return (frames", BYTES),
    Bug("bytes of transitions are forgotten", FRAMES, " + ring_bytes(capacity, num_envs, positions_of(spec))", "", BYTES),
    Bug("images are stored transition by transition", BUFFER, "Frames if has_frames(spec) else Ring", "Ring", MILLION),
    Bug("bytes are those of whole stacks", BUFFER, "(frames_bytes if has_frames(spec) else ring_bytes)", "ring_bytes", MILLION),
    Bug("a vector of bytes is an image", FRAMES, " and len(spec.obs_shape) > 1", "", f"{HOST}::test_the_command_and_importers_get_it_for_images_alone"),
    Bug("bool is no image", FRAMES, '("uint8", "bool")', '("uint8",)', f"{HOST}::test_the_command_and_importers_get_it_for_images_alone"),
    Bug("saving copies", TENSORS, 'np.asarray(array, order="C")', 'np.array(array, order="C")', "test_frames_bytes.py::test_saving_takes_no_second_copy"),
    # Its state
    Bug("the newest row's next_obs is lost with a file", FRAMES, "self.next_obs[:] = self._stacked(", "_ = self._stacked(", RESUME),
    Bug("the newest row's next_obs of a file is one frame old", FRAMES, "self._window(self.head - 1, self._envs", "self._window(self.head - 2, self._envs", RESUME),
    Bug("what is held is lost with a file", FRAMES, "self.held = self._count_held()", "self.held = 1", RESUME),
    Bug("a file's lost rows are held", FRAMES, "return int(lost.argmax()) if lost.any() else filled", "return filled", RESUME),
    Bug("a file's oldest rows are looked at first", FRAMES, "self.transitions.position - 1 - np.arange(filled)", "self.transitions.position + np.arange(filled)", RESUME),
    Bug("a file's frames are not taken over", FRAMES, "self.frames[:written], self.written = state[FRAMES], written", "self.written = written", RESUME),
    Bug("how much is written is lost with a file", FRAMES, "self.frames[:written], self.written = state[FRAMES], written", "self.frames[:written] = state[FRAMES]", RESUME),
    Bug("a file's heads are not taken over", FRAMES, "self.head[:] = state[HEAD]", "pass", RESUME),
    Bug("a file lacks frames that are written", FRAMES, "min(int(self.head.max()), streams.size)", "min(int(self.head.min()), streams.size)", RESUME),
    Bug("positions of a file may be any", FRAMES, 'check_within(state, self.streams.turn, "obs", "next_obs", HEAD)', "pass", SPOILED),
    Bug("a position of a file may be the one after the last", TENSORS, "(state[name] >= limit)", "(state[name] > limit)", SPOILED),
    Bug("a file may have frames for another room", FRAMES, "if written not in (most, self.streams.size):", "if False:", SPOILED),
    Bug("a file may have too many frames", FRAMES, "if written > (self.streams.size,):", "if False:", SPOILED),
    Bug("a file's frames may have any shape", FRAMES, 'own, "this replay")\n        if written', 'own | {FRAMES: state[FRAMES]}, "this replay")\n        if written', SPOILED),
    # The fused loop's
    Bug("compiled: stacks reach across the beginning of an episode", JAX, "(obs != state.next_obs).reshape", "(state.next_obs != state.next_obs).reshape", LOOP),
    Bug("compiled: the final frame is the next episode's first", JAX, "unstacked(next_obs, stack)[:, -1:]], axis=1)", "unstacked(jnp.where(truncated[:, None, None, None], obs, next_obs), stack)[:, -1:]], axis=1)", LOOP),
    Bug("compiled: the first stack is written the wrong way round", JAX, "[unstacked(obs, stack), unstacked", "[unstacked(obs, stack)[:, ::-1], unstacked", SAME),
    Bug("compiled: frames of one environment are all environments'", JAX, ".at[slots, envs[:, None]]", ".at[slots, 0 * envs[:, None]]", SAME),
    Bug("compiled: the last next_obs is stale", JAX, "held, next_obs.astype(", "held, obs.astype(", SAME),
    Bug("compiled: what is lost stays", JAX, "jax.lax.while_loop(is_lost, lambda held: held - 1, jnp.minimum(state.held + 1, rows))", "jnp.minimum(state.held + 1, rows)", SAME),
    Bug("compiled: a row that is lost in one environment stays", JAX, ".obs, head).any()", ".obs, head).all()", SAME),
    Bug("compiled: a span begins one row late", JAX, "start = (vector_steps - state.held) % rows", "start = (vector_steps - state.held + 1) % rows", SAME),
    Bug("compiled: a span is as long as the rows", JAX, "own.length - lost * num_envs)", "own.length)", SAME),
    Bug("compiled: the frames of the next environment", JAX, "batch, envs = transitions.take(state.transitions, indices), indices % len(state.head)", "batch, envs = transitions.take(state.transitions, indices), (indices + 1) % len(state.head)", SAME),
    Bug("compiled: images are stored transition by transition", BUFFER_JAX, "Replay(FRAMES) if has_frames(spec) else UNIFORM_RING", "UNIFORM_RING", "test_frames_jax.py::test_images_alone_are_kept_frame_by_frame"),
    Bug("compiled: positions of a file may be any", BUFFER, 'check_within(state, streams.turn, f"{rows}obs", f"{rows}next_obs", f"{prefix}head")', "pass", SAVED),
    Bug("compiled: a file may hold any number of rows", BUFFER, 'check_within(state, len(state[f"{rows}reward"]) + 1, f"{prefix}held")', "pass", SAVED),
]  # fmt: skip
