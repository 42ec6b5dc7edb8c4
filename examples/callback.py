"""Look at the records while an agent trains, and act on them: python examples/callback.py [torch|jax]

A callback is a function of a record: one keeps the best agent, another ends the training once the task is solved.
"""

import sys
from collections.abc import Callable

import rlpair

ENV, SOLVED = "CartPole-v1", 475.0
Callback = Callable[[rlpair.Training, rlpair.Record], None]


def keep_best(training: rlpair.Training, record: rlpair.Record) -> None:
    """Save the agent after its best evaluation so far; an earlier one is replaced."""
    if record.best:
        training.agent.save("best")


def stop_when_solved(training: rlpair.Training, record: rlpair.Record) -> None:
    """End the training after the step that it is in."""
    if record.values.get("eval/mean_return", 0.0) >= SOLVED:
        training.stop()


def show(training: rlpair.Training, record: rlpair.Record) -> None:
    """Print the evaluations."""
    if "eval/mean_return" in record.values:
        print(record.env_steps, record.values["eval/mean_return"])


def train(training: rlpair.Training, callbacks: list[Callback]) -> None:
    """Every callback sees every record."""
    for record in training:
        for callback in callbacks:
            callback(training, record)


def main(backend: str) -> None:
    """Train until solved, and play the best agent."""
    agent = rlpair.make_agent("dqn", backend=backend, env=ENV)
    config = rlpair.LoopConfig(total_timesteps=50_000, eval_every=2_500)
    train(rlpair.run(agent, ENV, config), [show, keep_best, stop_when_solved])
    returns = rlpair.evaluate_agent(rlpair.load_agent("best"), ENV, episodes=20).returns
    print(f"best agent: {returns.mean():.1f} over {len(returns)} episodes")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "jax")
