"""A run written down: records and checkpoints as it goes, its score at the end, what can be saved after a failure."""

from contextlib import ExitStack
from pathlib import Path

from rlpair.algos.registry import algorithms
from rlpair.config import RunConfig
from rlpair.disk import files
from rlpair.disk.checkpoint import drop_old_replays
from rlpair.errors import CheckpointError, ConfigError, EnvFailedError, RLPairError, disk_line
from rlpair.runs.progress import ProgressBar
from rlpair.runs.record import JsonlWriter, Recorder, TensorBoardWriter, truncate_metrics
from rlpair.runs.result import MEAN, STD, final_record, save_result
from rlpair.runs.run import Run
from rlpair.runs.run_dir import HeldRunDir, begin, with_traceback
from rlpair.runs.saved_config import save_config, to_yaml
from rlpair.runs.saved_run import SavedRun
from rlpair.types import Evaluation, Record


class Recording:
    """A run and its folder, into which it is written down."""

    def __init__(self, run: Run, saved: SavedRun | None, stack: ExitStack) -> None:
        """Open the folder, new or that of ``saved``, where the run is brought to; the stack closes everything.

        Raises:
            RLPairError, OSError: then the folder is as it was.
        """
        self._run = run
        with ExitStack() as undo:
            path, is_empty = (resume(run, saved), False) if saved else begin(run.config, undo)
            self.folder = HeldRunDir(path, undo)
            writers = self._open_writers(is_empty, undo)
            undo.pop_all()
        stack.callback(self.folder.close)
        self._clock = writers[1]
        self._recorders: list[Recorder] = [*writers, ProgressBar(run.config.total_timesteps, run.loop.env_steps)]
        for recorder in self._recorders:
            stack.enter_context(recorder)

    def _open_writers(self, is_empty: bool, undo: ExitStack) -> tuple[TensorBoardWriter, JsonlWriter]:
        """Write the settings, and take what came after the checkpoint, or of an end, off the records."""
        config, folder = self._run.config, self.folder
        kept = self._run.loop.env_steps if config.resume else -1  # records up to that step
        others = [RunConfig(algo=algorithm.config()).to_dict() for algorithm in algorithms()]
        tensorboard = TensorBoardWriter(
            folder.path, config.to_dict(), None if is_empty else kept, others=others, metrics=(MEAN, STD)
        )
        undo.callback(tensorboard.discard)
        if is_empty:
            undo.callback(files.discard, folder.config)
        with files.replacing(folder.config) as file:  # and the records with it, or neither
            file.write(to_yaml(config))
            file.flush()
            seconds = truncate_metrics(folder.metrics, kept)
        for path in (folder.result, folder.error):  # of what ended here before: this run has not
            files.remove_file(path)
        return tensorboard, JsonlWriter(folder.metrics, seconds)

    def follow(self) -> None:
        """Take the run to its end, or to where it is stopped. Raises RLPairError, which says the way on."""
        try:
            for record in self._run.loop:
                try:
                    self._keep(record)
                except (OSError, CheckpointError) as error:
                    raise self.after_failure(error, best=record.best) from error
        except EnvFailedError as error:
            raise self.after_failure(error) from error

    def finish(self, evaluation: Evaluation) -> None:
        """Write down the evaluation at the end: the run is complete. Raises RLPairError, which says the way on."""
        run, folder, steps = self._run, self.folder, self._run.loop.env_steps
        try:
            for recorder in self._recorders:
                recorder.write(final_record(steps, evaluation))
                recorder.close()
            save_result(folder.path, run.config, steps, evaluation, self._clock.seconds())
        except OSError as error:
            files.discard(folder.result)  # so that a resume makes the evaluation again
            raise self.after_failure(error) from error

    def after_failure(self, error: Exception, best: bool = False) -> RLPairError:
        """Save the run once more, if the disk lets it: with its agent as the best, if that is new; after an
        environment's failure at the last step before it, where new episodes begin. Returns the error to end with: it
        says the way on.
        """
        run, folder, steps = self._run, self.folder, self._run.loop.env_steps
        name = run.config.algo.name
        cause = disk_line(error) if isinstance(error, OSError) else str(error)
        if isinstance(error, EnvFailedError):
            cause = with_traceback(error, folder.path)
        try:
            if steps and not files.is_folder(folder.step(steps)):
                files.make_folders(folder.path)  # which may have been removed
                save_config(run.config, folder.path)
                if best:
                    run.save_best(folder.best)
                self._save_step()
        except (OSError, RLPairError) as second:
            failed = RLPairError(f"{cause}; step {steps} cannot be saved; {folder.way_on(name)}")
            failed.__cause__ = second
            return failed
        return RLPairError(f"{cause}; {folder.way_on(name)}")

    def _keep(self, record: Record) -> None:
        """Write down a record, and save what it asks for."""
        self.folder.check()
        for recorder in self._recorders:
            recorder.write(record)
        if record.best:
            self._run.save_best(self.folder.best)
        if record.checkpoint:
            self._save_step()

    def _save_step(self) -> None:
        """Save all that the run can be resumed from; older checkpoints keep the agent and lose the replay."""
        step = self.folder.step(self._run.loop.env_steps)
        self._run.save(step)
        drop_old_replays(self.folder.checkpoints, step)


def resume(run: Run, saved: SavedRun) -> Path:
    """Bring the run to where a checkpoint stands. Returns its run_dir.

    Raises:
        CheckpointError: it is not one, or does not fit the configuration.
        ConfigError: nothing is left to do.
    """
    run.load(saved)
    steps, total = run.loop.env_steps, run.config.total_timesteps
    complete = files.is_there(saved.run_dir.result) or total < saved.config.total_timesteps
    if steps >= total and complete:  # else its evaluation at the end is still to come
        raise ConfigError("total_timesteps", total, f"more than the {steps} steps that {saved.step} has behind it")
    return saved.run_dir.path
