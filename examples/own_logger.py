"""Write the records where you want them, here into a CSV file: python examples/own_logger.py [torch|jax]

Those of the commands, for TensorBoard and JSON lines, are in rlpair/runs/record.py, the progress bar in progress.py, to
be used beside yours.
"""

import csv
import sys
from pathlib import Path

import rlpair
from rlpair.runs.record import JsonlWriter, Recorder


class CsvLogger(Recorder):
    """A row for each number: env_steps, tag, value."""

    def __init__(self, path: str | Path) -> None:
        self.file = open(path, "w", newline="", encoding="utf-8")  # noqa: SIM115 - close() closes it
        self.rows = csv.writer(self.file)
        self.rows.writerow(["env_steps", "tag", "value"])

    def write(self, record: rlpair.Record) -> None:
        for tag, value in record.values.items():
            self.rows.writerow([record.env_steps, tag, value])

    def close(self) -> None:
        self.file.close()


def main(backend: str) -> None:
    """Train, write a CSV file and JSON lines, and print what the CSV file says of the return."""
    agent = rlpair.make_agent("dqn", backend=backend, env="CartPole-v1", config=rlpair.DQNConfig())
    training = rlpair.run(agent, "CartPole-v1", rlpair.LoopConfig(total_timesteps=10_000, log_every=1_000))
    with CsvLogger("log.csv") as table, JsonlWriter("log.jsonl") as lines:
        for record in training:
            for recorder in (table, lines):
                recorder.write(record)
    with open("log.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["tag"] == "rollout/episodic_return":
                print(row["env_steps"], round(float(row["value"]), 1))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "jax")
