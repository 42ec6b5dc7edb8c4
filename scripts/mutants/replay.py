"""Bugs in the seam between a replay's storage, its sampler and the loops: what is told, when, and in which order."""

from mutants import Bug

BUFFER, SAMPLERS, SPAN, STORAGE = "replay/buffer.py", "replay/samplers.py", "replay/span.py", "replay/storage.py"
LOOP, FUSED = "loops/host.py", "loops/fused_jax.py"
HOST = "test_seam.py"
PLAIN = f"{HOST}::test_the_host_loop_is_a_plain_one"
LAZY = f"{HOST}::test_td_errors_are_looked_at_when_the_next_minibatches_are_drawn"
STATE = "test_seam_state.py::test_a_state_holds_the_sampler_and_goes_on_to_the_bit"
REFUSED = "test_seam_state.py::test_a_state_that_does_not_fit_changes_nothing"
COMPILED = "test_seam_jax.py::test_the_fused_loop_is_a_plain_one"
BUGS = [
    # The host's
    Bug("feedback is dropped by the loop", LOOP, "self._feedback(which, self._info.td_error)", "pass", PLAIN),
    Bug("feedback is dropped by the replay", BUFFER, "self._unread = indices, td_error", "pass", PLAIN),
    Bug("feedback is looked at at once", BUFFER, "self._unread = indices, td_error", "self.sampler.feedback(indices, td_error)", LAZY),
    Bug("feedback is heard twice", BUFFER, "self.sampler.feedback(*self._unread)\n            self._unread = None", "self.sampler.feedback(*self._unread)", LAZY),
    Bug("the loss is taken for the TD errors", LOOP, "self._feedback(which, self._info.td_error)", 'self._feedback(which, self._info.metrics["loss/q"])', PLAIN),
    Bug("a replay without feedback is refused", LOOP, 'getattr(replay, "feedback", None)', "replay.feedback", f"{HOST}::test_an_own_replay_may_hear_td_errors_and_need_not"),
    Bug("new rows are told of before the feedback on old ones", BUFFER, "if self._unread is None:", "if True:", PLAIN),
    Bug("rows that came after the feedback are never told of", BUFFER, "for row in self._added:\n                self.sampler.add(row)", "pass", PLAIN),
    Bug("rows are told of again and again", BUFFER, "self._added.clear()", "pass", PLAIN),
    Bug("weights are ignored", BUFFER, "batch if weights is None else batch._replace(weight=weights), indices", "batch, indices", PLAIN),
    Bug("an empty span is drawn from", BUFFER, "if span.length < 1:", "if not len(self):", f"{HOST}::test_windows_by_hand"),
    Bug("the settings' buffer_size is ignored", BUFFER, "ReplayBuffer(config.buffer_size, num_envs, spec)", "ReplayBuffer(1_000_000, num_envs, spec)", "test_seam_state.py::test_the_command_and_importers_get_one_replay"),
    Bug("a tensor stays on its device", SAMPLERS, 'array.cpu() if hasattr(array, "cpu") else array', "array", PLAIN),
    Bug("uniform sampling waits for the device", SAMPLERS, '"""Do nothing: there is nothing to remember, and the device is not waited for."""', "fetch(td_error)", f"{HOST}::test_uniform_sampling_looks_at_no_td_error_and_gives_no_weights"),
    Bug("the storage does not say into which row it went", STORAGE, "        return row\n", "        return self.position\n", PLAIN),
    # What can be drawn
    Bug("a span does not go round", SPAN, "(self.start + number) % self.size", "number % self.size", f"{HOST}::test_windows_by_hand"),
    Bug("a span holds what is not in it", SPAN, "(index if self.start is None else (index - self.start) % self.size)", "index", PLAIN),
    Bug("a span holds one more", SPAN, "% self.size) < self.length", "% self.size) <= self.length", PLAIN),
    # Its state
    Bug("a state lacks the sampler", BUFFER, "return self.storage.state_dict() | sampler", "return self.storage.state_dict()", STATE),
    Bug("a state lacks the last feedback", BUFFER, "self._tell_sampler()\n        sampler = {", "sampler = {", STATE),
    Bug("a sampler is not taken over", BUFFER, "self.sampler.load_state_dict(sampler)", "pass", STATE),
    Bug("old feedback goes on in a new state", BUFFER, "self.check_fit(state)\n        self._tell_sampler()\n", "self.check_fit(state)\n", STATE),
    Bug("a refused state leaves its sampler", BUFFER, "self.sampler.load_state_dict(before)", "pass", REFUSED),
    Bug("a sampler's arrays are not looked at", BUFFER, "check_fit(sampler, self.sampler.state_dict(), \"this replay's sampler\")", "pass", REFUSED),
    # The fused loop's
    Bug("feedback is dropped by the fused loop", FUSED, "weighed = sampler.feedback(weighed, indices, info.td_error)", "pass", COMPILED),
    Bug("only the first update's TD errors are heard", FUSED, "sampler.feedback(weighed, indices, info.td_error)", "sampler.feedback(weighed, indices[:1], info.td_error[:1])", COMPILED),
    Bug("weights are ignored by the fused loop", FUSED, "batch = batch if weights is None else batch._replace(weight=weights)", "pass", COMPILED),
    Bug("the sampler hears of no new rows", FUSED, "weighed = sampler.add(state.sampler, row)", "weighed = state.sampler", COMPILED),
    Bug("it samples before it interacts", FUSED, "return learn(*carry, (number", "return learn(carry[0]._replace(sampler=state.sampler), carry[1], (number", COMPILED),
    Bug("the sampler forgets what it heard", FUSED, "state._replace(learner=learned, sampler=weighed)", "state._replace(learner=learned)", COMPILED),
    Bug("the storage does not hear of time limits", FUSED, "transition, out.truncated, vector_step)", "transition, jnp.zeros_like(out.truncated), vector_step)", COMPILED),
    Bug("learning starts with nothing to draw from", FUSED, "if vector_steps < storage.least:", "if False:", "test_seam_jax.py::test_a_storage_that_has_nothing_to_draw_from_is_refused"),
    Bug("an own storage is ignored", FUSED, "storage, sampler = replay or default_replay(spec)", "storage, sampler = default_replay(spec).storage, (replay or default_replay(spec)).sampler", COMPILED),
    Bug("rows that are still empty are looked at", "replay/buffer.py", "check_transitions({name: state[name][:vector_steps] for name in names}, spec, rows)", "check_transitions({name: state[name] for name in names}, spec, rows)", "test_seam_state.py::test_rows_that_are_still_empty_may_hold_what_no_environment_takes"),
]  # fmt: skip
