"""Bugs in a run: its best, its records, its settings, and what a resume goes on from."""

from mutants import Bug

TRAIN, RECORD = "train.py", "runs/record.py"
RECORDS = "test_run_records.py"
CLOCK = f"{RECORDS}::test_a_resumed_run_goes_on_with_its_clock"
FORGOTTEN = f"{RECORDS}::test_what_came_after_the_checkpoint_is_forgotten_in_all_records"
BUGS = [
    Bug("every evaluation overwrites the best", TRAIN, "if record.best:", 'if record.best or "eval/mean_return" in record.values:', RECORDS),
    Bug("the best is saved once only", TRAIN, "if record.best:", "if record.best and not folder.best.exists():", RECORDS),
    Bug("the best is never saved", TRAIN, "if record.best:", "if False:", RECORDS),
    Bug("the last evaluation ignores the seed", TRAIN, 'integer(self.config.seed, "evaluation", self.config.total_timesteps)', 'integer(0, "evaluation", self.config.total_timesteps)', RECORDS),
    Bug("the last evaluation ignores the step", TRAIN, 'integer(self.config.seed, "evaluation", self.config.total_timesteps)', 'integer(self.config.seed, "evaluation")', RECORDS),
    Bug("seconds begin anew on resume", TRAIN, "JsonlWriter(folder.metrics, seconds)", "JsonlWriter(folder.metrics)", CLOCK),
    Bug("the bar begins at 0 on resume", TRAIN, "ProgressBar(config.total_timesteps, run.loop.env_steps)", "ProgressBar(config.total_timesteps)", CLOCK),
    Bug("TensorBoard is not restarted on resume", TRAIN, "None if is_empty else kept, others", "None, others", FORGOTTEN),
    Bug("metrics.jsonl keeps what came after the checkpoint", RECORD, "if record.env_steps <= env_steps and", "if", FORGOTTEN),
    Bug("metrics.jsonl loses the line of the checkpoint's step", RECORD, "if record.env_steps <= env_steps and", "if record.env_steps < env_steps and", FORGOTTEN),
    Bug("config.yaml stays as it was", TRAIN, "file.write(to_yaml(config))", "file.write(folder.config.read_text() if config.resume else to_yaml(config))", RECORDS),
    Bug("a resume loses the replay", TRAIN, "self.replay.load_state_dict(replay)", "pass", FORGOTTEN),
    Bug("a resume loses the agent", TRAIN, "self.agent.load_state_dict(state)", "pass", FORGOTTEN),
]  # fmt: skip
