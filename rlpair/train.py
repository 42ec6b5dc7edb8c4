"""python -m rlpair.train algo=sac backend=jax: train an agent, with records, checkpoints and resume."""

import math
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from rlpair.algos.registry import algorithms, find
from rlpair.cli.command import Command
from rlpair.cli.sweep import announce
from rlpair.config import RunConfig
from rlpair.disk import files
from rlpair.disk.checkpoint import drop_old_replays, save_checkpoint
from rlpair.envs.make import make_envs
from rlpair.errors import CheckpointError, ConfigError, EnvFailedError, RLPairError, disk_line, refuse
from rlpair.loops.fused import open_fused
from rlpair.loops.host import HostLoop, evaluate, saying_where
from rlpair.make import configure_process, make_agent
from rlpair.memory import check_run, host_bytes
from rlpair.replay.buffer import make_replay
from rlpair.replay.storage import replay_bytes
from rlpair.runs.loading import check_spec
from rlpair.runs.record import JsonlWriter, ProgressBar, Recorder, TensorBoardWriter, truncate_metrics
from rlpair.runs.result import MEAN, RESULT, STD, final_record, save_result
from rlpair.runs.run_dir import ERROR, RunDir, begin, go_on, with_traceback
from rlpair.runs.saved_config import Values, save_config, to_yaml
from rlpair.runs.saved_run import SavedRun, settle
from rlpair.seeding import integer
from rlpair.settings.overrides import Pair, parse
from rlpair.system.interrupts import Interrupted, Signals
from rlpair.types import Evaluation, Record

EVAL_ENVS = 10  # that play the episodes of an evaluation together


class Outcome(NamedTuple):
    """How a run ended."""

    run_dir: Path
    env_steps: int
    evaluation: Evaluation | None  # greedy, at the end; None if a signal stopped it
    signal: int  # that stopped it; 0 if it came to its end


def train(config: RunConfig, saved: SavedRun | None = None) -> Outcome:
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
        run = (FusedRun if config.mode == "fused" else HostRun)(config, stack)
        signals = stack.enter_context(Signals(run.loop.stop))
        folder, recorders, clock = open_run(config, run, stack, saved)
        announce(folder.path)
        print(f"rlpair: {run.settings}", file=sys.stderr)
        follow(run, recorders, folder)
        if signals.received and run.loop.env_steps < config.total_timesteps:
            return Outcome(folder.path, run.loop.env_steps, None, signals.received)
        try:
            with signals.at_once():
                evaluation = run.evaluate()
        except Interrupted as interrupted:
            return Outcome(folder.path, run.loop.env_steps, None, interrupted.number)
        except EnvFailedError as error:
            raise after_failure(error, run, folder) from error
        try:
            for recorder in recorders:
                recorder.write(final_record(run.loop.env_steps, evaluation))
                recorder.close()
            save_result(folder.path, config, run.loop.env_steps, evaluation, clock.seconds())
        except OSError as error:
            files.discard(folder.path / RESULT)  # so that a resume makes the evaluation again
            raise after_failure(error, run, folder) from error
        return Outcome(folder.path, run.loop.env_steps, evaluation, 0)


class HostRun:
    """A run in the host loop: what it is made of, its evaluation, its checkpoints."""

    def __init__(self, config: RunConfig, stack: ExitStack) -> None:
        """The stack closes the environments."""
        self.config = config
        self.settings = configure_process(config.backend, config.algo, config.device)
        eval_count = min(config.eval_episodes, EVAL_ENVS)
        self.eval_envs = make_envs(config.env, eval_count, "sync", config.env_kwargs)
        stack.callback(self.eval_envs.close)
        spec = self.eval_envs.spec
        check_run(config, spec, find(config.algo.name).networks(config.algo, spec), host_bytes())
        self.agent = make_agent(
            config.algo.name,
            backend=config.backend,
            env=self.eval_envs,
            config=config.algo,
            seed=config.seed,
            device=config.device,
            matmul_precision=config.matmul_precision,
            compile=config.compile,
        )
        envs = make_envs(config.env, config.num_envs, config.vectorization, config.env_kwargs)
        stack.callback(envs.close)
        self.replay = make_replay(config.algo, envs.num_envs, envs.spec)
        self.loop = HostLoop(self.agent, envs, self.replay, config, eval_envs=self.eval_envs)
        if envs.images:
            shapes, inputs = " and ".join(map(str, envs.images)), math.prod(envs.spec.obs_shape)
            size = replay_bytes(config.algo.buffer_size, envs.num_envs, envs.spec)
            note = f"image observations {shapes} go flattened into an MLP of {inputs:,} inputs"
            print(f"rlpair: {note}; their replay takes {size:,} bytes once it is full", file=sys.stderr)

    def evaluate(self) -> Evaluation:
        """At the end."""
        seed = integer(self.config.seed, "evaluation", self.config.total_timesteps)
        with saying_where(f"env step {self.loop.env_steps}"):
            return evaluate(self.agent, self.eval_envs, self.config.eval_episodes, seed)

    def save(self, path: Path) -> None:
        """All that the run can be resumed from."""
        loop, agent = self.loop, self.agent
        save_checkpoint(path, agent.state_dict(), agent.description(), loop.state_dict(), self.replay.state_dict())

    def save_best(self, path: Path) -> None:
        """The agent, whose evaluation was the best so far."""
        save_checkpoint(path, self.agent.state_dict(), self.agent.description())

    def load(self, earlier: SavedRun) -> None:
        """Go on from what ``save`` wrote; what does not carry over is said on stderr."""
        config, loop, saved = self.config, self.loop, earlier.checkpoint()
        folder = saved.folder
        check_spec(folder, saved.spec, self.agent.spec)
        run = saved.run("host")
        state, replay = saved.state(self.agent.check_fit), saved.replay(self.replay.check_fit)
        try:
            self.agent.load_state_dict(state)
            self.replay.load_state_dict(replay)
            restored = loop.load_state_dict(run)
        except CheckpointError as error:
            refuse(folder, str(error))
        if (own := self.agent.rng_name) not in state:  # of another backend, or another kind of device
            self.agent.reseed(integer(config.seed, "noise", loop.env_steps))
            its = next((name for name in state if name.startswith("rng.")), "the checkpoint")
            note = f"{its}'s random numbers do not carry over to {own}: exploration is reseeded".replace("rng.", "")
            print(f"rlpair: {note} from seed={config.seed} and env step {loop.env_steps}", file=sys.stderr)
        for row in (~restored).nonzero()[0]:
            note = "could not be brought back to where it stood: it starts an episode"
            print(f"rlpair: environment {row} {note}", file=sys.stderr)


class FusedRun:
    """A run in the fused loop."""

    def __init__(self, config: RunConfig, stack: ExitStack) -> None:
        """The stack ends the worker processes."""
        self.config = config
        self.settings = configure_process(config.backend, config.algo, config.device)
        self.loop = open_fused(config, stack)
        self.evaluate, self.save, self.save_best = self.loop.evaluate, self.loop.save, self.loop.save_best
        self.load = self.loop.load


def open_run(
    config: RunConfig, run: HostRun | FusedRun, stack: ExitStack, saved: SavedRun | None
) -> tuple[RunDir, list[Recorder], JsonlWriter]:
    """The folder of a run, which begins or goes on, and what takes its records; the last, of metrics.jsonl, is among
    them and has the time. The stack closes all.

    Raises:
        RLPairError, OSError: then the folder is as it was.
    """
    with ExitStack() as undo:
        path, is_empty = (resume(config, run, saved), False) if saved else begin(config, undo)
        folder = RunDir(path, undo)
        kept = run.loop.env_steps if config.resume else -1  # records up to that step
        others = [RunConfig(algo=algorithm.config()).to_dict() for algorithm in algorithms()]
        tensorboard = TensorBoardWriter(
            path, config.to_dict(), None if is_empty else kept, others=others, metrics=(MEAN, STD)
        )
        undo.callback(tensorboard.discard)
        if is_empty:
            undo.callback(files.discard, folder.config)
        with files.replacing(folder.config) as file:  # and the records with it, or neither
            file.write(to_yaml(config))
            file.flush()
            seconds = truncate_metrics(folder.metrics, kept)
        for name in (RESULT, ERROR):  # of what ended here before: this run has not
            files.remove_file(path / name)
        jsonl = JsonlWriter(folder.metrics, seconds)
        undo.pop_all()
    stack.callback(folder.close)
    recorders: list[Recorder] = [tensorboard, jsonl, ProgressBar(config.total_timesteps, run.loop.env_steps)]
    for recorder in recorders:
        stack.enter_context(recorder)
    return folder, recorders, jsonl


def resume(config: RunConfig, run: HostRun | FusedRun, saved: SavedRun) -> Path:
    """Bring the run to where a checkpoint stands. Returns its run_dir.

    Raises:
        CheckpointError: it is not one, or does not fit the configuration.
    """
    run.load(saved)
    steps = run.loop.env_steps
    complete = files.is_there(saved.run_dir / RESULT) or config.total_timesteps < saved.config.total_timesteps
    if steps >= config.total_timesteps and complete:  # else its evaluation at the end is still to come
        allowed = f"more than the {steps} steps that {saved.step} has behind it"
        raise ConfigError("total_timesteps", config.total_timesteps, allowed)
    return saved.run_dir


def follow(run: HostRun | FusedRun, recorders: list[Recorder], folder: RunDir) -> None:
    """Take the run to its end, or to where it is stopped. Raises RLPairError, which says the way on."""
    try:
        for record in run.loop:
            try:
                keep(record, run, recorders, folder)
            except (OSError, CheckpointError) as error:
                raise after_failure(error, run, folder, best=record.best) from error
    except EnvFailedError as error:
        raise after_failure(error, run, folder) from error


def keep(record: Record, run: HostRun | FusedRun, recorders: list[Recorder], folder: RunDir) -> None:
    """Write down a record, and save what it asks for."""
    folder.check()
    for recorder in recorders:
        recorder.write(record)
    if record.best:
        run.save_best(folder.best)
    if record.checkpoint:
        save_step(run, folder)


def save_step(run: HostRun | FusedRun, folder: RunDir) -> None:
    """All that the run can be resumed from; older checkpoints keep the agent and lose the replay."""
    step = folder.step(run.loop.env_steps)
    run.save(step)
    drop_old_replays(folder.checkpoints, step)


def after_failure(error: Exception, run: HostRun | FusedRun, folder: RunDir, best: bool = False) -> RLPairError:
    """Save the run once more, if the disk lets it: with its agent as the best, if that is new; after an environment's
    failure at the last step before it, where new episodes begin. Returns the error to end with: it says the way on.
    """
    cause, steps = disk_line(error) if isinstance(error, OSError) else str(error), run.loop.env_steps
    if isinstance(error, EnvFailedError):
        cause = with_traceback(error, folder.path)
    try:
        if steps and not files.is_folder(folder.step(steps)):
            files.make_folders(folder.path)  # which may have been removed
            save_config(run.config, folder.path)
            if best:
                run.save_best(folder.best)
            save_step(run, folder)
    except (OSError, RLPairError) as second:
        failed = RLPairError(f"{cause}; step {steps} cannot be saved; {folder.way_on()}")
        failed.__cause__ = second
        return failed
    return RLPairError(f"{cause}; {folder.way_on()}")


class Train:
    """The command, and the run that it goes on with, which is read once."""

    def __init__(self) -> None:
        self._saved: SavedRun | None = None

    def prepare(self, pairs: list[Pair]) -> list[Pair]:
        """With resume= and without algo=, the saved run's algo: which keys there are depends on it."""
        given = dict(pairs)
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
        config = settle(values, given, self._saved)
        outcome = train(config, self._saved)
        name = f"{config.algo.name} {config.backend} {config.env}"
        if outcome.evaluation is None:
            is_done = outcome.env_steps >= config.total_timesteps
            where = "in the evaluation after its last step," if is_done else "at step"
            how = f"stopped by {signal.Signals(outcome.signal).name} {where} {outcome.env_steps:,}"
            print(f"{name}: {how}; {go_on(outcome.run_dir)}")
            return 128 + outcome.signal
        returns, seconds = outcome.evaluation.returns, time.perf_counter() - began
        result = f"return {returns.mean():.1f} +- {returns.std():.1f} over {len(returns)} greedy episodes"
        print(f"{name}: {result} after {outcome.env_steps:,} steps, {seconds:.0f} s; all in {outcome.run_dir}")
        return 0


def main() -> None:
    """The command."""
    this = Train()
    sys.exit(Command("train", RunConfig, this.task, has_algo=True, prepare=this.prepare, sweeps=True).main())


if __name__ == "__main__":
    main()
