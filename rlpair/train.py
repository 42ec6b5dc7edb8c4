"""python -m rlpair.train algo=sac backend=jax: train an agent, with records, checkpoints and resume."""

import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from rlpair.algos.registry import find
from rlpair.cli.command import Command
from rlpair.cli.sweep import announce
from rlpair.config import RunConfig
from rlpair.errors import EnvFailedError
from rlpair.runs.recording import Recording
from rlpair.runs.run import make_run
from rlpair.runs.run_dir import go_on
from rlpair.runs.saved_config import Values, to_yaml
from rlpair.runs.saved_run import SavedRun, resolve_config
from rlpair.settings.overrides import Pair, parse
from rlpair.system.interrupts import Interrupted, Signals
from rlpair.types import Evaluation


class TrainOutcome(NamedTuple):
    """How a run ended."""

    run_dir: Path
    env_steps: int
    evaluation: Evaluation | None  # greedy, at the end; None if a signal stopped it
    signal: int  # that stopped it; 0 if it came to its end


def train(config: RunConfig, saved: SavedRun | None = None) -> TrainOutcome:
    """Train an agent as ``python -m rlpair.train`` does. Nothing is written before all settings are known to work.

    ``saved``: the run that ``config.resume`` names, where that has been read already.

    Raises:
        RLPairError: what cannot be used, in one line.
    """
    to_yaml(config)
    if config.resume:
        saved = saved or SavedRun(config.resume)
        saved.check(config)
    with ExitStack() as stack:
        run = make_run(config, stack)
        signals = stack.enter_context(Signals(run.loop.stop))
        recording = Recording(run, saved, stack)
        path = recording.folder.path
        announce(path)
        print(f"rlpair: {run.settings}", file=sys.stderr)
        recording.follow()
        steps = run.loop.env_steps
        if signals.received and steps < config.total_timesteps:
            return TrainOutcome(path, steps, None, signals.received)
        try:
            with signals.at_once():
                evaluation = run.evaluate()
        except Interrupted as interrupted:
            return TrainOutcome(path, steps, None, interrupted.number)
        except EnvFailedError as error:
            raise recording.after_failure(error) from error
        recording.finish(evaluation)
        return TrainOutcome(path, steps, evaluation, 0)


class Train:
    """The command, and the run that it goes on with, which is read once."""

    def __init__(self) -> None:
        self._saved: SavedRun | None = None

    def prepare(self, pairs: list[Pair]) -> list[Pair]:
        """Add the saved run's algo where resume= comes without algo=: which keys there are depends on it."""
        given = dict(pairs)
        if ":" in given.get("algo", ""):
            find(given["algo"])  # whose run it may be
        if "resume" not in given:
            return pairs
        path = parse(("resume", given["resume"]), "a text", as_text=True)
        self._saved = SavedRun(path) if path else None
        if self._saved is None or "algo" in given:
            return pairs
        return [*pairs, ("algo", self._saved.config.algo.name)]

    def task(self, values: Values, given: set[str]) -> int:
        """Train, and say how it ended. Returns the exit code: 0, or 128 and the signal that stopped it."""
        began = time.perf_counter()
        config = resolve_config(values, given, self._saved)
        outcome = train(config, self._saved)
        name = f"{config.algo.name} {config.backend} {config.env}"
        if outcome.evaluation is None:
            is_done = outcome.env_steps >= config.total_timesteps
            where = "in the evaluation after its last step," if is_done else "at step"
            how = f"stopped by {signal.Signals(outcome.signal).name} {where} {outcome.env_steps:,}"
            print(f"{name}: {how}; {go_on(outcome.run_dir, config.algo.name)}")
            return 128 + outcome.signal
        returns, seconds = outcome.evaluation.returns, time.perf_counter() - began
        result = f"return {returns.mean():.1f} +- {returns.std():.1f} over {len(returns)} greedy episodes"
        print(f"{name}: {result} after {outcome.env_steps:,} steps, {seconds:.0f} s; all in {outcome.run_dir}")
        return 0


def main() -> None:
    """Run the command; exit with its code."""
    this = Train()
    after = "-m sweeps: -m seed=0,1,2 backend=torch,jax runs each combination in a process."
    train = Command("train", RunConfig, this.task, has_algo=True, prepare=this.prepare, sweeps=True, after=after)
    sys.exit(train.main())


if __name__ == "__main__":
    main()
