"""Bugs in a run: its best, its records, its settings, and what a resume goes on from."""

from mutants import Bug

HOST_RUN, RECORDING, RECORD = "runs/host_run.py", "runs/recording.py", "runs/record.py"
RECORDS = "test_run_records.py"
CLOCK = f"{RECORDS}::test_a_resumed_run_goes_on_with_its_clock"
FORGOTTEN = f"{RECORDS}::test_what_came_after_the_checkpoint_is_forgotten_in_all_records"
BUGS = [
    Bug("every evaluation overwrites the best", RECORDING, "if record.best:", 'if record.best or "eval/mean_return" in record.values:', RECORDS),
    Bug("the best is saved once only", RECORDING, "if record.best:", "if record.best and not self.folder.best.exists():", RECORDS),
    Bug("the best is never saved", RECORDING, "if record.best:", "if False:", RECORDS),
    Bug("the last evaluation ignores the seed", HOST_RUN, 'integer(self.config.seed, "evaluation", self.config.total_timesteps)', 'integer(0, "evaluation", self.config.total_timesteps)', RECORDS),
    Bug("the last evaluation ignores the step", HOST_RUN, 'integer(self.config.seed, "evaluation", self.config.total_timesteps)', 'integer(self.config.seed, "evaluation")', RECORDS),
    Bug("seconds begin anew on resume", RECORDING, "JsonlWriter(folder.metrics, seconds)", "JsonlWriter(folder.metrics)", CLOCK),
    Bug("the bar begins at 0 on resume", RECORDING, "ProgressBar(run.config.total_timesteps, run.loop.env_steps)", "ProgressBar(run.config.total_timesteps)", CLOCK),
    Bug("TensorBoard is not restarted on resume", RECORDING, "None if is_empty else kept, others", "None, others", FORGOTTEN),
    Bug("metrics.jsonl keeps what came after the checkpoint", RECORD, "if record.env_steps <= env_steps and", "if", FORGOTTEN),
    Bug("metrics.jsonl loses the line of the checkpoint's step", RECORD, "if record.env_steps <= env_steps and", "if record.env_steps < env_steps and", FORGOTTEN),
    Bug("config.yaml stays as it was", RECORDING, "file.write(to_yaml(config))", "file.write(folder.config.read_text() if config.resume else to_yaml(config))", RECORDS),
    Bug("a resume loses the replay", HOST_RUN, "self.replay.load_state_dict(replay)", "pass", FORGOTTEN),
    Bug("a resume loses the agent", HOST_RUN, "self.agent.load_state_dict(state)", "pass", FORGOTTEN),
]  # fmt: skip
