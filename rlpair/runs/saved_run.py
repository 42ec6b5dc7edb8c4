"""A run to go on with, and the settings of a run. What is read of the earlier one is read once: what was found good is
what is used.
"""

from pathlib import Path

from rlpair.config import RunConfig
from rlpair.disk.checkpoint import find_step, seeds_of
from rlpair.errors import ConfigError, refuse
from rlpair.presets import defaults
from rlpair.runs.loading import Checkpoint
from rlpair.runs.run_dir import run_dir_of
from rlpair.runs.saved_config import Values, flat, load_config, nested
from rlpair.settings.trust import check_environment


class SavedRun:
    """A run's settings and its last checkpoint, or one of its checkpoints.

    Attributes:
        step: the folder of the checkpoint, or that which holds those of many seeds.
        run_dir: the paths in that of the run.
        config: its config.yaml.
    """

    def __init__(self, path: str) -> None:
        """Read the settings of a run. ``path``: its run_dir or one of its checkpoints. Raises CheckpointError."""
        self.step = find_step(path)
        self.run_dir = run_dir_of(self.step)
        self.config = load_config(self.run_dir.path)
        self._checkpoints: dict[Path, Checkpoint] = {}

    def checkpoint(self, folder: Path | None = None) -> Checkpoint:
        """Read the checkpoint of the step; of many seeds that in a folder of it. Raises CheckpointError."""
        folder = folder or self.step
        if folder not in self._checkpoints:
            self._checkpoints[folder] = Checkpoint(folder)
        return self._checkpoints[folder]

    def check(self, config: RunConfig) -> None:
        """Raise CheckpointError where the run cannot go on with these settings, before anything is made of them."""
        seeds = seeds_of(self.step)
        if len(seeds or [self.step]) != config.num_seeds:
            refuse(self.step, f"it holds {len(seeds or [self.step])} agents, and num_seeds={config.num_seeds}")
        saved = self.checkpoint(seeds[0] if seeds else None)
        saved.check_networks(config.algo)
        saved.check_replay(config)


def resolve_config(values: Values, given: set[str], earlier: SavedRun | None = None) -> RunConfig:
    """Resolve all settings of a run: what was given, else what the run had that it goes on with, else the defaults.

    Raises:
        RLPairError: what cannot be used, in one line.
    """
    if earlier:
        saved = flat(earlier.config.to_dict())
        for key in ("algo.name", "env"):
            name = key.removesuffix(".name")
            if name in given and values[key] != saved[key]:
                raise ConfigError(name, values[key], f"{saved[key]}, as in the run that is resumed")
        own: Values = {key: values[key] for key in ("env", "env_kwargs") if key in given}
        check_environment(earlier.run_dir.config, saved, own)
        values = values | {"env_kwargs": saved["env_kwargs"] | values["env_kwargs"]}
        given = (given | {"env_kwargs"}) - {"algo"}
        if "run_dir" in given:
            raise ConfigError("run_dir", values["run_dir"], "left out with resume=, which goes on in its own folder")
        saved |= {"resume": values["resume"], "run_dir": None}
    else:
        saved = defaults(values["algo.name"], values["env"] if "env" in given else None)
    return RunConfig.from_dict(nested(values | {key: value for key, value in saved.items() if key not in given}))
